//! Data frames of AnnData (`obs` or `var`): groups, as 0.7 and later writes them, and compound
//! tables, as older ones did.
use crate::data::h5::{Dataset, Group, Kind, Object, damaged};
use crate::data::input::Result;
use crate::data::values::Values;
use crate::error::DataError;

/// A frame.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A member a column.
    Group(Group),
    /// A field a column; codes have their categories in `uns`.
    Table {
        /// The table.
        table: Dataset,
        /// Where the categories are.
        uns: Option<Group>,
    },
}

impl Frame {
    /// Opens the frame `name` of the group; `file` is the root, whose `uns` has old categories.
    pub(crate) fn open(parent: &Group, name: &str, file: &Group) -> Result<Self> {
        match parent.get(name)? {
            Object::Group(group) => Ok(Self::Group(group)),
            Object::Dataset(table) => {
                if table.fields().is_empty() || table.shape.len() != 1 {
                    return Err(damaged(format!(
                        "{} holds {}, expected a group or a table",
                        table.name,
                        table.kind.shown()
                    )));
                }
                let uns = file.has("uns").then(|| file.group("uns")).transpose()?;
                Ok(Self::Table { table, uns })
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Group(group) => &group.name,
            Self::Table { table, .. } => &table.name,
        }
    }

    fn index_name(&self) -> String {
        match self {
            Self::Group(group) => group.text("_index").unwrap_or_else(|| {
                let old = !group.has("_index") && group.has("index");
                if old { "index" } else { "_index" }.into()
            }),
            Self::Table { table, .. } => {
                let fields = table.fields();
                let found = fields.iter().find(|f| ["index", "_index"].contains(f));
                found.or(fields.first()).copied().unwrap_or_default().into()
            }
        }
    }

    fn index(&self) -> Result<Values> {
        let name = self.index_name();
        match self {
            Self::Group(group) if !group.has(&name) => Err(damaged(format!(
                "{} has no index column {name:?}",
                group.name
            ))),
            Self::Group(group) => member(group, &name),
            Self::Table { table, .. } => {
                let field = table.field(&name);
                values(&field.ok_or_else(|| damaged(format!("{} has no index", table.name)))?)
            }
        }
    }

    /// The names of the rows.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let names = self.index()?.texts();
        Ok(names.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Number of rows.
    pub(super) fn len(&self) -> Result<usize> {
        match self {
            Self::Table { table, .. } => Ok(table.len()),
            Self::Group(group) => match group.get(&self.index_name()) {
                Ok(Object::Dataset(set)) if set.shape.len() == 1 => Ok(set.len()),
                _ => Ok(self.index()?.len()),
            },
        }
    }

    /// Names of the columns, in the frame's order.
    pub(crate) fn columns(&self) -> Vec<String> {
        let index = self.index_name();
        match self {
            Self::Table { table, .. } => {
                let fields = table.fields().into_iter().map(str::to_owned);
                fields.filter(|f| *f != index).collect()
            }
            Self::Group(group) => {
                let there: Vec<&str> = group
                    .names()
                    .filter(|n| *n != index && *n != "__categories")
                    .collect();
                let mut order = group.texts("column-order").unwrap_or_default();
                order.retain(|n| there.contains(&n.as_str()));
                for name in there {
                    if !order.iter().any(|n| n == name) {
                        order.push(name.to_owned());
                    }
                }
                order
            }
        }
    }

    /// One column, which must be there and have a value for each row.
    pub(super) fn column(&self, name: &str) -> Result<Values> {
        let missing = || damaged(format!("{} has no column {name:?}", self.name()));
        let values = match self {
            Self::Table { table, uns } => {
                let codes = values(&table.field(name).ok_or_else(missing)?)?;
                let key = format!("{name}_categories");
                match (uns, &codes) {
                    (Some(uns), Values::Whole(_) | Values::Bool(_)) if uns.has(&key) => {
                        old_categorical(codes, &uns.get(&key)?, name)?
                    }
                    _ => codes,
                }
            }
            Self::Group(group) => {
                let apart = group.has("__categories") && {
                    let found = group.group("__categories")?;
                    found.has(name)
                };
                if apart {
                    let codes = member(group, name)?;
                    old_categorical(codes, &group.group("__categories")?.get(name)?, name)?
                } else {
                    member(group, name)?
                }
            }
        };
        let (found, n) = (values.len(), self.len()?);
        if found != n {
            return Err(damaged(format!(
                "{} column {name:?} has {found} values, but there are {n} rows",
                self.name()
            )));
        }
        Ok(values)
    }
}

/// A column that is a dataset or a group.
fn member(group: &Group, name: &str) -> Result<Values> {
    match group.get(name)? {
        Object::Dataset(set) if set.shape.len() == 1 => values(&set),
        Object::Dataset(set) => Err(damaged(format!(
            "{} has {} dimensions, expected 1",
            set.name,
            set.shape.len()
        ))),
        Object::Group(group) => grouped(&group),
    }
}

/// A dataset as values.
pub(crate) fn values(set: &Dataset) -> Result<Values> {
    Ok(match &set.kind {
        kind if kind.is_text() => Values::Text(set.texts()?.into_iter().map(Some).collect()),
        Kind::Enum(_) => {
            let codes = set.numbers::<i64>()?.into_iter();
            Values::Bool(codes.map(|v| Some(v != 0)).collect())
        }
        Kind::Int { .. } => Values::Whole(set.numbers()?.into_iter().map(Some).collect()),
        Kind::Float { .. } => Values::Real(set.numbers()?),
        other => {
            return Err(DataError::new(
                format!(
                    "{} holds {}, which is neither text nor numbers",
                    set.name,
                    other.shown()
                ),
                "choose another column",
            ));
        }
    })
}

/// A column that is a group: a categorical, or values with a mask.
fn grouped(group: &Group) -> Result<Values> {
    let encoding = group.text("encoding-type").unwrap_or_default();
    if encoding == "categorical" {
        let codes = member(group, "codes")?;
        let ordered = group
            .whole("ordered")
            .is_some_and(|v| v.first() == Some(&1));
        return categorical(&codes, member(group, "categories")?, ordered, &group.name);
    }
    if !encoding.starts_with("nullable-") {
        return Err(DataError::new(
            format!(
                "{} has the encoding {encoding:?}, which is not known here",
                group.name
            ),
            "choose another column, or save this one as a categorical or as numbers",
        ));
    }
    let mask = group.dataset("mask", 1)?.numbers::<i64>()?;
    let found = values(&group.dataset("values", 1)?)?;
    if found.len() != mask.len() {
        return Err(damaged(format!(
            "{}: {} values and a mask of {}",
            group.name,
            found.len(),
            mask.len()
        )));
    }
    fn hide<T>(v: Vec<Option<T>>, mask: &[i64]) -> Vec<Option<T>> {
        let pairs = v.into_iter().zip(mask);
        pairs.map(|(v, gone)| v.filter(|_| *gone == 0)).collect()
    }
    Ok(match found {
        Values::Text(v) => Values::Text(hide(v, &mask)),
        Values::Bool(v) => Values::Bool(hide(v, &mask)),
        Values::Whole(v) => Values::Whole(hide(v, &mask)),
        Values::Real(v) => {
            let pairs = v.into_iter().zip(&mask);
            let value = |(v, gone): (f64, &i64)| if *gone == 0 { v } else { f64::NAN };
            Values::Real(pairs.map(value).collect())
        }
        Values::Categorical { .. } => return Err(damaged(format!("{} is mixed up", group.name))),
    })
}

/// Codes beside their categories, as before AnnData 0.8.
fn old_categorical(codes: Values, categories: &Object, name: &str) -> Result<Values> {
    match categories {
        Object::Dataset(set) if set.shape.len() < 2 => {
            categorical(&codes, values(set)?, false, name)
        }
        _ => Err(damaged(format!(
            "the categories of column {name:?} are no list"
        ))),
    }
}

fn categorical(codes: &Values, categories: Values, ordered: bool, name: &str) -> Result<Values> {
    let categories = categories
        .texts()
        .into_iter()
        .map(Option::unwrap_or_default);
    let categories: Vec<String> = categories.collect();
    let Values::Whole(codes) = codes else {
        return Err(damaged(format!(
            "column {name:?} has codes that are no whole numbers"
        )));
    };
    let code = |code: &Option<i64>| match code.map(|c| (u32::try_from(c), c)) {
        Some((Ok(c), _)) if (c as usize) < categories.len() => Ok(Some(c)),
        None | Some((_, -1)) => Ok(None),
        Some((_, other)) => Err(damaged(format!(
            "column {name:?} has the code {other}, but only {} categories",
            categories.len()
        ))),
    };
    let codes = codes.iter().map(code).collect::<Result<_>>()?;
    Ok(Values::Categorical {
        categories,
        codes,
        ordered,
    })
}
