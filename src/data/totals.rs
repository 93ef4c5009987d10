//! The sums over all genes of a cell that `--input log` divides by, and whether a file can give them.
use super::dataset::Column;
use super::genes::listed;
use super::input::Result;
use crate::error::DataError;

/// A file with a smaller share of the genes that training detected cannot give totals.
const LEAST_SHARE: f64 = 0.5;
/// With a smaller share of them its totals are in doubt.
const DOUBTFUL_SHARE: f64 = 0.8;
/// Columns that other programs write totals to.
pub(super) const USUAL: [&str; 8] = [
    "total_counts",
    "n_counts",
    "nCount_RNA",
    "n_umi",
    "nUMI",
    "total_umis",
    "sum",
    "counts",
];

/// Whether the genes of a file are enough to take totals over; gives a notice where it is in doubt.
/// `detected`: genes with a count in training, where the model says so; `k`: genes of the panel in the file.
///
/// # Errors
/// Where they are not; `columns` of `obs` that may hold totals are offered.
pub(super) fn enough(
    n_vars: usize,
    detected: Option<usize>,
    k: usize,
    columns: &[String],
) -> Result<Option<String>> {
    let (least, doubtful) = match detected {
        Some(n) => {
            let share = |s: f64| (n as f64 * s).ceil() as usize;
            (share(LEAST_SHARE), share(DOUBTFUL_SHARE))
        }
        // a model of format 1 does not say; a panel alone is no whole file in any case
        None => (2 * k, 2 * k),
    };
    let training = detected.map_or(String::new(), |n| format!(" (training: over {n})"));
    if n_vars < least {
        let there: Vec<&str> = USUAL
            .into_iter()
            .filter(|u| columns.iter().any(|c| c == u))
            .collect();
        let named = if there.is_empty() {
            "name the column of obs that holds them: --totals COLUMN".to_owned()
        } else {
            format!(
                "name the column of obs that holds them: --totals {} ({})",
                there[0],
                listed(&there)
            )
        };
        return Err(DataError::new(
            format!(
                "the model reads counts per 10,000 of a cell's total, but the file has only {n_vars} genes to take totals over{training}"
            ),
            format!(
                "{named}; or take them over these genes with --partial-totals; a model trained with --input log-counts needs none"
            ),
        ));
    }
    Ok((n_vars < doubtful).then(|| {
        format!(
            "totals are taken over the {n_vars} genes of the file{training}: where counts of other genes are missing, name a column with the totals (--totals)"
        )
    }))
}

/// The totals that a column holds, held against the sums of the panel's counts.
///
/// # Errors
/// A column of words, a total that is missing, negative, infinite or below the panel's counts.
pub(super) fn given(
    name: &str,
    column: &Column,
    panel: &[f64],
    obs: &[String],
) -> Result<Vec<f64>> {
    let Column::Numeric(totals) = column else {
        return Err(DataError::new(
            format!("--totals: the obs column {name:?} holds words, not numbers"),
            "name the column with each cell's total count, such as total_counts",
        ));
    };
    for (row, (&total, &counts)) in totals.iter().zip(panel).enumerate() {
        // rounding of totals that were stored as f32
        if !total.is_finite() || total < counts * (1.0 - 1e-6) {
            return Err(DataError::new(
                format!(
                    "--totals: the obs column {name:?} holds {total} for the cell {:?} (row {row}), whose panel counts alone sum to {counts}",
                    obs[row]
                ),
                "name the column with each cell's total count over all genes, before any scaling",
            ));
        }
    }
    Ok(totals.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_told_from_a_whole_file() {
        let no: &[String] = &[];
        assert!(enough(32, Some(16_000), 32, no).is_err());
        assert!(enough(4_000, Some(16_000), 32, no).is_err());
        assert!(enough(9_000, Some(16_000), 32, no).unwrap().is_some());
        assert_eq!(enough(15_000, Some(16_000), 32, no).unwrap(), None);
        assert_eq!(enough(60_000, Some(16_000), 32, no).unwrap(), None);
        // a model that was trained on few genes
        assert_eq!(enough(40, Some(40), 32, no).unwrap(), None);
        assert!(enough(40, None, 32, no).is_err());
        assert_eq!(enough(2_000, None, 32, no).unwrap(), None);
        let hint = enough(32, None, 32, &["nUMI".to_owned()]).unwrap_err().hint;
        assert!(hint.contains("--totals nUMI"), "{hint}");
    }

    #[test]
    fn totals_are_held_against_the_counts() {
        let obs = ["a".to_owned(), "b".to_owned()];
        let with =
            |totals: [f64; 2]| given("t", &Column::Numeric(totals.into()), &[5.0, 0.0], &obs);
        assert_eq!(with([5.0, 0.0]).unwrap(), [5.0, 0.0]);
        for wrong in [
            [4.0, 1.0],
            [f64::NAN, 1.0],
            [9.0, -1.0],
            [9.0, f64::INFINITY],
        ] {
            assert!(with(wrong).is_err(), "{wrong:?}");
        }
        let words = Column::Categorical {
            categories: vec!["x".into()],
            codes: vec![Some(0), None],
        };
        assert!(given("t", &words, &[0.0; 2], &obs).is_err());
    }
}
