//! Orders as tables: columns of `panel.csv`, `panel_by_class.csv` and `candidates.csv`.
use super::explain_csv::BETWEEN;
use super::order::{GeneOrder, Order};

/// Columns that a gene has beside its name, ids before and the rest after its score.
pub(super) const IDS: [&str; 2] = ["ensembl_id", "symbol"];
/// The rest.
pub(super) const FIGURES: [&str; 7] = [
    "mean",
    "detected",
    "highest_mean",
    "highest_mean_class",
    "highest_detected",
    "highest_detected_class",
    "flags",
];

/// A mean or a share: four digits that say something.
fn figure(x: f32) -> String {
    match x.abs() {
        0.0 => "0".into(),
        big if big >= 1000.0 => format!("{x:.0}"),
        size => {
            let digits = 3 - size.log10().floor() as i32;
            format!("{x:.*}", usize::try_from(digits).unwrap_or(0))
        }
    }
}

/// Values of [`IDS`].
pub(super) fn ids(gene: &GeneOrder) -> [String; 2] {
    [&gene.ensembl, &gene.symbol].map(|id| id.clone().unwrap_or_default())
}

/// Values of [`FIGURES`].
pub(super) fn figures(gene: &GeneOrder) -> [String; 7] {
    [
        figure(gene.mean),
        figure(gene.detected),
        figure(gene.highest_mean.0),
        gene.highest_mean.1.clone(),
        figure(gene.highest_detected.0),
        gene.highest_detected.1.clone(),
        gene.flags.join(BETWEEN),
    ]
}

fn whole(out: csv::Writer<Vec<u8>>) -> csv::Result<Vec<u8>> {
    out.into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))
}

/// `panel_by_class.csv`: a row a gene by rank, for each class of each label the mean and the share of the
/// training cells that detect it.
///
/// # Errors
/// Memory alone; the writer is a vector.
pub fn by_class(order: &Order) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut labels: Vec<&str> = order.classes.iter().map(|c| c.label.as_str()).collect();
    labels.dedup();
    let mut header: Vec<String> = ["gene", IDS[0], IDS[1]].map(String::from).into();
    for c in &order.classes {
        let prefix = if labels.len() > 1 {
            format!("{}: ", c.label)
        } else {
            String::new()
        };
        header.extend(["mean", "detected"].map(|what| format!("{prefix}{} {what}", c.class)));
    }
    out.write_record(&header)?;
    for (at, gene) in order.genes.iter().enumerate() {
        let mut row = vec![gene.gene.clone()];
        row.extend(ids(gene));
        for c in &order.classes {
            row.extend([figure(c.mean[at]), figure(c.detected[at])]);
        }
        out.write_record(&row)?;
    }
    whole(out)
}

/// `candidates.csv`: the genes below the line, the best first.
///
/// # Errors
/// Memory alone; the writer is a vector.
pub fn candidates(order: &Order) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let head = ["place", "gene", IDS[0], IDS[1], "gain", "index"];
    let tail = ["nearest", "r", "reason"];
    out.write_record(head.iter().chain(&FIGURES).chain(&tail))?;
    for (i, c) in order.candidates.iter().enumerate() {
        let mut row = vec![(i + 1).to_string(), c.order.gene.clone()];
        row.extend(ids(&c.order));
        row.extend([format!("{:.6}", c.gain), c.order.index.to_string()]);
        row.extend(figures(&c.order));
        row.extend([
            c.nearest.0.clone(),
            format!("{:.3}", c.nearest.1),
            c.reason.clone(),
        ]);
        out.write_record(&row)?;
    }
    whole(out)
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_keep_four_digits() {
        let shown = [0.0, 0.012_345_6, 0.5, 1.0, 12.3456, 1234.56].map(figure);
        assert_eq!(shown, ["0", "0.01235", "0.5000", "1.000", "12.35", "1235"]);
    }
}
