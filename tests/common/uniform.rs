//! A lint over naga's IR: every barrier is reached by all invocations of a workgroup alike. naga
//! does not check it; Tint (Chromium) does, and this follows its rules for what the kernels use.
use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, Module, Statement,
    StorageAccess,
};
use std::collections::HashMap;

/// What is wrong in an entry point, one line a barrier.
pub fn faults(module: &Module, entry: &naga::EntryPoint) -> Vec<String> {
    let uniform = |binding: &Option<Binding>| {
        let same = [BuiltIn::WorkGroupId, BuiltIn::NumWorkGroups];
        matches!(binding, Some(Binding::BuiltIn(b)) if same.contains(b))
    };
    let args = entry.function.arguments.iter();
    let args: Vec<bool> = args.map(|a| uniform(&a.binding)).collect();
    analyse(module, &entry.function, &args, true).faults
}

/// How many barriers an entry point's function and the functions it calls hold in their text.
pub fn barriers(module: &Module, function: &Function) -> usize {
    fn count(module: &Module, block: &Block) -> usize {
        let one = |s: &Statement| match s {
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => 1,
            Statement::Block(b) => count(module, b),
            Statement::If { accept, reject, .. } => count(module, accept) + count(module, reject),
            Statement::Switch { cases, .. } => cases.iter().map(|c| count(module, &c.body)).sum(),
            Statement::Loop {
                body, continuing, ..
            } => count(module, body) + count(module, continuing),
            Statement::Call { function, .. } => count(module, &module.functions[*function].body),
            _ => 0,
        };
        block.iter().map(one).sum()
    }
    count(module, &function.body)
}

struct Outcome {
    faults: Vec<String>,
    result: bool,
}

struct Walk<'a> {
    module: &'a Module,
    function: &'a Function,
    args: &'a [bool],
    /// Whether all invocations hold the same value in a local variable.
    locals: HashMap<Handle<naga::LocalVariable>, bool>,
    calls: HashMap<Handle<Expression>, bool>,
    faults: Vec<String>,
    result: bool,
    /// Some invocations may have returned.
    left: bool,
    changed: bool,
}

/// Walks the function until what is known of its variables no longer changes.
fn analyse(module: &Module, function: &Function, args: &[bool], flow: bool) -> Outcome {
    let mut walk = Walk {
        module,
        function,
        args,
        locals: function
            .local_variables
            .iter()
            .map(|(h, _)| (h, true))
            .collect(),
        calls: HashMap::new(),
        faults: Vec::new(),
        result: true,
        left: false,
        changed: true,
    };
    while walk.changed {
        walk.changed = false;
        walk.left = false;
        walk.result = true;
        walk.faults.clear();
        let mut jumped = false;
        walk.block(&function.body, flow, &mut jumped);
    }
    Outcome {
        faults: walk.faults,
        result: walk.result,
    }
}

impl Walk<'_> {
    fn fault(&mut self, what: &str) {
        let name = self.function.name.as_deref().unwrap_or("the entry point");
        let line = format!("{what} in `{name}` is not reached by all invocations alike");
        if !self.faults.contains(&line) {
            self.faults.push(line);
        }
    }

    /// `flow`: all invocations come here; `jumped`: some may have left the innermost loop's turn.
    fn block(&mut self, block: &Block, flow: bool, jumped: &mut bool) {
        for statement in block {
            let flow = flow && !self.left && !*jumped;
            match statement {
                Statement::ControlBarrier(_) if !flow => self.fault("a barrier"),
                Statement::WorkGroupUniformLoad { .. } if !flow => {
                    self.fault("a workgroupUniformLoad");
                }
                Statement::Block(b) => self.block(b, flow, jumped),
                Statement::If {
                    condition,
                    accept,
                    reject,
                } => {
                    let flow = flow && self.uniform(*condition);
                    self.block(accept, flow, jumped);
                    let after = *jumped;
                    *jumped = false;
                    self.block(reject, flow, jumped);
                    *jumped |= after;
                }
                Statement::Switch { selector, cases } => {
                    let flow = flow && self.uniform(*selector);
                    for case in cases {
                        // a break ends the switch, not the loop
                        self.block(&case.body, flow, &mut false);
                    }
                }
                Statement::Loop {
                    body,
                    continuing,
                    break_if,
                } => {
                    let mut apart = false;
                    loop {
                        let (left, mut jumps) = (self.left, false);
                        self.block(body, flow && !apart, &mut jumps);
                        self.block(continuing, flow && !apart, &mut jumps);
                        jumps |= break_if.is_some_and(|e| !self.uniform(e));
                        jumps |= self.left != left;
                        if !jumps || apart {
                            break;
                        }
                        apart = true; // later turns begin without some invocations
                    }
                }
                Statement::Break | Statement::Continue => *jumped |= !flow,
                Statement::Return { value } => {
                    let same = flow && value.is_none_or(|v| self.uniform(v));
                    self.result &= same;
                    self.left |= !flow;
                }
                Statement::Store { pointer, value } => {
                    let same = flow && self.uniform(*value) && self.indices_uniform(*pointer);
                    if !same {
                        self.spoil(*pointer);
                    }
                }
                Statement::Call {
                    function,
                    arguments,
                    result,
                } => {
                    let args: Vec<bool> = arguments.iter().map(|a| self.uniform(*a)).collect();
                    let callee = &self.module.functions[*function];
                    let outcome = analyse(self.module, callee, &args, flow);
                    for fault in outcome.faults {
                        if !self.faults.contains(&fault) {
                            self.faults.push(fault);
                        }
                    }
                    if let Some(result) = result {
                        let before = self.calls.insert(*result, outcome.result);
                        self.changed |= before != Some(outcome.result);
                    }
                }
                _ => {}
            }
        }
    }

    fn spoil(&mut self, pointer: Handle<Expression>) {
        if let Expression::LocalVariable(v) = &self.function.expressions[self.root(pointer)] {
            self.changed |= self.locals.insert(*v, false) == Some(true);
        }
    }

    /// The variable that a pointer leads into.
    fn root(&self, pointer: Handle<Expression>) -> Handle<Expression> {
        match self.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                self.root(base)
            }
            _ => pointer,
        }
    }

    fn indices_uniform(&self, pointer: Handle<Expression>) -> bool {
        match self.function.expressions[pointer] {
            Expression::Access { base, index } => self.uniform(index) && self.indices_uniform(base),
            Expression::AccessIndex { base, .. } => self.indices_uniform(base),
            _ => true,
        }
    }

    fn load_uniform(&self, pointer: Handle<Expression>) -> bool {
        let variable = match self.function.expressions[self.root(pointer)] {
            Expression::LocalVariable(v) => self.locals[&v],
            Expression::GlobalVariable(g) => match self.module.global_variables[g].space {
                AddressSpace::Uniform => true,
                AddressSpace::Storage { access } => !access.contains(StorageAccess::STORE),
                _ => false,
            },
            _ => false,
        };
        variable && self.indices_uniform(pointer)
    }

    fn uniform(&self, e: Handle<Expression>) -> bool {
        use Expression as E;
        match &self.function.expressions[e] {
            E::Literal(_) | E::Constant(_) | E::Override(_) | E::ZeroValue(_) => true,
            E::WorkGroupUniformLoadResult { .. } | E::ArrayLength(_) => true,
            E::FunctionArgument(i) => self.args[*i as usize],
            E::Load { pointer } => self.load_uniform(*pointer),
            E::CallResult(_) => self.calls.get(&e).copied().unwrap_or(true),
            E::Compose { components, .. } => components.iter().all(|c| self.uniform(*c)),
            E::Access { base, index } => self.uniform(*base) && self.uniform(*index),
            E::AccessIndex { base, .. } => self.uniform(*base),
            E::Splat { value, .. } => self.uniform(*value),
            E::Swizzle { vector, .. } => self.uniform(*vector),
            E::Unary { expr, .. } | E::As { expr, .. } => self.uniform(*expr),
            E::Binary { left, right, .. } => self.uniform(*left) && self.uniform(*right),
            E::Select {
                condition,
                accept,
                reject,
            } => [condition, accept, reject]
                .iter()
                .all(|e| self.uniform(**e)),
            E::Relational { argument, .. } => self.uniform(*argument),
            E::Math {
                arg,
                arg1,
                arg2,
                arg3,
                ..
            } => {
                self.uniform(*arg)
                    && [arg1, arg2, arg3]
                        .iter()
                        .all(|a| a.is_none_or(|a| self.uniform(a)))
            }
            _ => false,
        }
    }
}
