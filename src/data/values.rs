//! A column of `obs` or `var` in the kind in which it was stored.
use super::dataset::Column;

/// Values of a column, one a cell or gene; `None` or NaN where missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Text.
    Text(Vec<Option<String>>),
    /// Categories and the code of each row.
    Categorical {
        /// Category names, in the file's order.
        categories: Vec<String>,
        /// Code of each row, below the number of categories.
        codes: Vec<Option<u32>>,
        /// Whether the order of the categories means something.
        ordered: bool,
    },
    /// Yes or no.
    Bool(Vec<Option<bool>>),
    /// Whole numbers.
    Whole(Vec<Option<i64>>),
    /// Numbers.
    Real(Vec<f64>),
}

impl Values {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Categorical { codes, .. } => codes.len(),
            Self::Bool(v) => v.len(),
            Self::Whole(v) => v.len(),
            Self::Real(v) => v.len(),
        }
    }
    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// As `inspect` names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Categorical { .. } => "categorical",
            Self::Bool(_) => "boolean",
            Self::Whole(_) => "integer",
            Self::Real(_) => "float",
        }
    }
    /// Rows without a value.
    #[must_use]
    pub fn missing(&self) -> usize {
        fn none<T>(v: &[Option<T>]) -> usize {
            v.iter().filter(|v| v.is_none()).count()
        }
        match self {
            Self::Text(v) => none(v),
            Self::Categorical { codes, .. } => none(codes),
            Self::Bool(v) => none(v),
            Self::Whole(v) => none(v),
            Self::Real(v) => v.iter().filter(|v| v.is_nan()).count(),
        }
    }
    /// Distinct values, the missing one not counted.
    #[must_use]
    pub fn distinct(&self) -> usize {
        fn count<T: Ord>(mut v: Vec<T>) -> usize {
            v.sort_unstable();
            v.dedup();
            v.len()
        }
        match self {
            Self::Text(v) => count(v.iter().flatten().collect()),
            Self::Categorical { codes, .. } => count(codes.iter().flatten().collect()),
            Self::Bool(v) => count(v.iter().flatten().collect()),
            Self::Whole(v) => count(v.iter().flatten().collect()),
            Self::Real(v) => count(
                v.iter()
                    .filter(|v| !v.is_nan())
                    .map(|v| (v + 0.0).to_bits())
                    .collect(),
            ),
        }
    }
    /// As text, `None` where missing; booleans as Python writes them.
    #[must_use]
    pub fn texts(self) -> Vec<Option<String>> {
        match self {
            Self::Text(v) => v,
            Self::Categorical {
                categories, codes, ..
            } => codes
                .into_iter()
                .map(|c| Some(categories[c? as usize].clone()))
                .collect(),
            Self::Bool(v) => v
                .into_iter()
                .map(|v| Some(if v? { "True" } else { "False" }.to_owned()))
                .collect(),
            Self::Whole(v) => v.into_iter().map(|v| Some(v?.to_string())).collect(),
            Self::Real(v) => v
                .into_iter()
                .map(|v| (!v.is_nan()).then(|| format!("{v:?}")))
                .collect(),
        }
    }
}

impl From<Values> for Column {
    /// Text becomes categories (its distinct values, sorted), booleans the categories False and
    /// True, whole numbers plain numbers.
    fn from(values: Values) -> Self {
        match values {
            Values::Text(v) => categorise(&v),
            Values::Categorical {
                categories, codes, ..
            } => Self::Categorical { categories, codes },
            Values::Bool(v) => Self::Categorical {
                categories: vec!["False".into(), "True".into()],
                codes: v.into_iter().map(|v| v.map(u32::from)).collect(),
            },
            Values::Whole(v) => Self::Numeric(
                v.into_iter()
                    .map(|v| v.map_or(f64::NAN, |v| v as f64))
                    .collect(),
            ),
            Values::Real(v) => Self::Numeric(v),
        }
    }
}

fn categorise(values: &[Option<String>]) -> Column {
    let mut categories: Vec<String> = values.iter().flatten().cloned().collect();
    categories.sort_unstable();
    categories.dedup();
    let code = |v: &String| categories.binary_search(v).ok().map(|c| c as u32);
    let codes = values.iter().map(|v| code(v.as_ref()?)).collect();
    Column::Categorical { categories, codes }
}
