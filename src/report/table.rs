//! Predictions of new cells as a table: the columns of some cells, and their writing as CSV and Parquet.
use super::confidence::{flags, softmax};
use super::predict::{Predicted, decode, reported};
use crate::data::cells::TaskKind;
use crate::model::calibration::{FLAGS, Flag};
use crate::model::panel_model::{Outputs, PanelModel};
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use rayon::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// Values of a column, one a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<'a> {
    /// Codes of words.
    Words(Vec<&'a str>, Vec<u32>),
    /// Shares, written with six decimals.
    Shares(Vec<f32>),
    /// Numbers, written in full.
    Numbers(Vec<f32>),
}

/// A column of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Column<'a> {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Values<'a>,
}

/// The flags of every task, a list of cells each; none of a model that knows none, and none of components.
#[must_use]
pub fn all_flags(model: &PanelModel, outputs: &Outputs) -> Vec<Vec<Flag>> {
    let stride: usize = model.tasks.iter().map(|t| t.kind.width()).sum();
    let mut from = 0;
    let one = |(t, task): (usize, &crate::model::panel_model::ModelTask)| {
        let range = from..from + task.kind.width();
        from = range.end;
        if !model.calibration.is_known() || task.kind.is_component() {
            return Vec::new();
        }
        let rows = outputs.logits.chunks_exact(stride);
        let rows = rows.map(|row| &row[range.clone()]);
        let is_class = matches!(task.kind, TaskKind::Classification { .. });
        flags(&model.calibration, t, is_class, rows, &outputs.distance).collect()
    };
    model.tasks.iter().enumerate().map(one).collect()
}

/// The columns of some cells: of each task what is predicted, of classes its probability, the flag where the
/// model knows any, and with `all` the probability of every class. With several tasks the names begin with
/// `<task>_`, as in `predictions.csv`. Components are columns of their own name.
#[must_use]
pub fn columns<'a>(model: &'a PanelModel, outputs: &Outputs, all: bool) -> Vec<Column<'a>> {
    let stride: usize = model.tasks.iter().map(|t| t.kind.width()).sum();
    let several = reported(model).len() > 1;
    let predicted = decode(model, &outputs.logits);
    let flags = all_flags(model, outputs);
    let (mut out, mut from) = (Vec::new(), 0);
    for (t, ((task, predicted), flags)) in model.tasks.iter().zip(predicted).zip(flags).enumerate()
    {
        let range = from..from + task.kind.width();
        from = range.end;
        let mut add = |name: &str, values| {
            let name = if several {
                format!("{}_{name}", task.name)
            } else {
                name.to_owned()
            };
            out.push(Column { name, values });
        };
        let flag = |flags: Vec<Flag>| {
            Values::Words(FLAGS.into(), flags.into_iter().map(|f| f as u32).collect())
        };
        match (&task.kind, predicted) {
            (TaskKind::Component { .. }, Predicted::Values(v)) => out.push(Column {
                name: task.name.clone(),
                values: Values::Numbers(v),
            }),
            (TaskKind::Classification { classes }, Predicted::Classes(p)) => {
                let (codes, shares) = p.into_iter().unzip();
                let words = classes.iter().map(String::as_str).collect();
                add("predicted", Values::Words(words, codes));
                add("probability", Values::Shares(shares));
                if model.calibration.is_known() {
                    add("flag", flag(flags));
                }
                if all {
                    let temperature = model.calibration.of(t).temperature;
                    let rows = outputs.logits.par_chunks_exact(stride);
                    let shares: Vec<Vec<f64>> = rows
                        .map(|row| {
                            let mut p = Vec::new();
                            softmax(&row[range.clone()], temperature, &mut p);
                            p
                        })
                        .collect();
                    for (c, class) in classes.iter().enumerate() {
                        let of = shares.iter().map(|p| p[c] as f32).collect();
                        add(&format!("probability_{class}"), Values::Shares(of));
                    }
                }
            }
            (_, Predicted::Values(v)) => {
                add("predicted", Values::Numbers(v));
                if model.calibration.is_known() {
                    add("flag", flag(flags));
                }
            }
            // a task's predictions are of its kind
            (_, Predicted::Classes(_)) => {}
        }
    }
    out
}

/// A table that is written block by block.
pub trait Sink {
    /// Adds cells: their names and columns, which are the same each time.
    ///
    /// # Errors
    /// A full disk or the like.
    fn add(&mut self, names: &[String], columns: &[Column]) -> std::io::Result<()>;
    /// Ends the table.
    ///
    /// # Errors
    /// A full disk or the like.
    fn finish(self: Box<Self>) -> std::io::Result<()>;
}

/// As CSV.
pub struct Csv<W: Write> {
    out: csv::Writer<W>,
    begun: bool,
}

impl<W: Write> Csv<W> {
    /// A table without cells.
    pub fn new(to: W) -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self {
            out: builder.buffer_capacity(1 << 16).from_writer(to),
            begun: false,
        }
    }
}

/// What the disk or the pipe said.
fn plain(e: csv::Error) -> std::io::Error {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => e,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

impl<W: Write> Sink for Csv<W> {
    fn add(&mut self, names: &[String], columns: &[Column]) -> std::io::Result<()> {
        if !self.begun {
            self.begun = true;
            let heads = columns.iter().map(|c| c.name.as_str());
            let head = std::iter::once("obs_names").chain(heads);
            self.out.write_record(head).map_err(plain)?;
        }
        let mut field = Vec::new();
        for (i, name) in names.iter().enumerate() {
            self.out.write_field(name).map_err(plain)?;
            for column in columns {
                field.clear();
                match &column.values {
                    Values::Words(words, codes) => {
                        let word = words.get(codes[i] as usize).copied().unwrap_or_default();
                        field.extend_from_slice(word.as_bytes());
                    }
                    Values::Shares(v) => write!(field, "{:.6}", v[i])?,
                    Values::Numbers(v) => write!(field, "{}", v[i])?,
                }
                self.out.write_field(&field).map_err(plain)?;
            }
            self.out.write_record(None::<&[u8]>).map_err(plain)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// As Parquet: text of words, floats of all else, nothing missing, a row group a block.
pub struct Parquet<W: Write + Send> {
    /// Where it goes, until the columns are known.
    to: Option<W>,
    out: Option<SerializedFileWriter<W>>,
}

fn io(e: ParquetError) -> std::io::Error {
    match e {
        // what the disk said
        ParquetError::External(e) => match e.downcast::<std::io::Error>() {
            Ok(e) => *e,
            Err(e) => std::io::Error::other(e),
        },
        e => std::io::Error::other(e),
    }
}

impl<W: Write + Send> Parquet<W> {
    /// A table without cells.
    pub fn new(to: W) -> Self {
        Self {
            to: Some(to),
            out: None,
        }
    }

    fn begin(&mut self, to: W, columns: &[Column]) -> std::io::Result<()> {
        let leaf = |name: &str, words: bool| {
            let physical = if words {
                Physical::BYTE_ARRAY
            } else {
                Physical::FLOAT
            };
            let converted = if words {
                ConvertedType::UTF8
            } else {
                ConvertedType::NONE
            };
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::REQUIRED)
                .with_converted_type(converted)
                .build()
                .map(Arc::new)
                .map_err(io)
        };
        let mut fields = vec![leaf("obs_names", true)?];
        for c in columns {
            fields.push(leaf(&c.name, matches!(c.values, Values::Words(..)))?);
        }
        let schema = Type::group_type_builder("predictions").with_fields(fields);
        let schema = Arc::new(schema.build().map_err(io)?);
        let properties = WriterProperties::builder()
            .set_created_by(concat!("yoto-gpu ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let writer = SerializedFileWriter::new(to, schema, Arc::new(properties));
        self.out = Some(writer.map_err(io)?);
        Ok(())
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn add(&mut self, names: &[String], columns: &[Column]) -> std::io::Result<()> {
        if let Some(to) = self.to.take() {
            self.begin(to, columns)?;
        }
        let Some(out) = &mut self.out else {
            return Err(std::io::Error::other("the table could not be begun"));
        };
        let mut group = out.next_row_group().map_err(io)?;
        let mut next = 0usize;
        while let Some(mut column) = group.next_column().map_err(io)? {
            let values = next.checked_sub(1).map(|i| &columns[i].values);
            match (column.untyped(), values) {
                (ColumnWriter::ByteArrayColumnWriter(w), None) => {
                    let all: Vec<ByteArray> = names.iter().map(|n| n.as_str().into()).collect();
                    w.write_batch(&all, None, None).map_err(io)?;
                }
                (ColumnWriter::ByteArrayColumnWriter(w), Some(Values::Words(words, codes))) => {
                    let words: Vec<ByteArray> = words.iter().map(|w| (*w).into()).collect();
                    let word = |c: &u32| words.get(*c as usize).cloned().unwrap_or_default();
                    let all: Vec<ByteArray> = codes.iter().map(word).collect();
                    w.write_batch(&all, None, None).map_err(io)?;
                }
                (
                    ColumnWriter::FloatColumnWriter(w),
                    Some(Values::Shares(v) | Values::Numbers(v)),
                ) => {
                    w.write_batch(v, None, None).map_err(io)?;
                }
                _ => return Err(std::io::Error::other("a column changed its kind")),
            }
            column.close().map_err(io)?;
            next += 1;
        }
        group.close().map_err(io)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> std::io::Result<()> {
        match self.out {
            Some(out) => out.close().map(drop).map_err(io),
            None => Ok(()),
        }
    }
}
