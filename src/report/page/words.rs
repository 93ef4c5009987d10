//! Numbers and names as the page writes them.
use crate::markup::escape;

/// A number with as many digits as are of use.
#[must_use]
pub(super) fn figure(x: f64) -> String {
    let size = x.abs();
    let text = if !x.is_finite() {
        return "–".into();
    } else if size >= 100_000.0 || (size < 0.001 && size > 0.0) {
        return minus(&format!("{x:.1e}"));
    } else if size >= 100.0 {
        format!("{x:.0}")
    } else if size >= 10.0 {
        format!("{x:.1}")
    } else if size >= 0.1 {
        format!("{x:.2}")
    } else {
        format!("{x:.4}")
    };
    minus(if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    })
}

/// A number's text with a minus sign for the hyphen, and no sign where all digits are 0.
fn minus(text: &str) -> String {
    let zero = text.contains('0') && !text.contains(|c| matches!(c, '1'..='9'));
    match text.strip_prefix(['-', '+']) {
        Some(digits) if zero => digits.to_owned(),
        _ => text.replace('-', "−"),
    }
}

/// A number of things, with commas between the thousands.
#[must_use]
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// So many of a thing: `1 gene`, `2 genes`; the plural as given.
#[must_use]
pub(super) fn several(n: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { more })
}

/// A share in percent.
#[must_use]
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{} %", minus(&format!("{:.1}", 100.0 * share)))
    } else {
        "–".into()
    }
}

/// What of all variance is lost, in percent.
#[must_use]
pub(super) fn lost(share: f64) -> String {
    format!("{} %", minus(&format!("{:.2}", 100.0 * share)))
}

/// Undefined is a dash.
#[must_use]
pub(super) fn known(x: Option<f64>, of: fn(f64) -> String) -> String {
    x.map_or_else(|| "–".into(), of)
}

/// A score as scores are printed everywhere: three digits.
#[must_use]
pub(super) fn score(x: f64) -> String {
    minus(&format!("{x:.3}"))
}

/// The score of a gene: four digits.
#[must_use]
pub(super) fn gene_score(x: f64) -> String {
    minus(&format!("{x:.4}"))
}

/// A difference of scores, with its sign.
#[must_use]
pub(super) fn change(x: f64) -> String {
    minus(&format!("{x:+.3}"))
}

/// A name in HTML: it may be of any script and direction and holds nothing else up.
#[must_use]
pub(super) fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// A name within a sentence of plain text, kept apart by Unicode's isolates where its letters could turn
/// the sentence around.
#[must_use]
pub(super) fn plain(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        format!("\u{2068}{text}\u{2069}")
    }
}

/// Names of a list in HTML, the first few.
#[must_use]
pub(super) fn names(all: &[String], most: usize) -> String {
    let shown: Vec<String> = all.iter().take(most).map(|n| name(n)).collect();
    match all.len().saturating_sub(most) {
        _ if all.is_empty() => "–".into(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The name of a score for a person.
#[must_use]
pub(super) fn measure(name: &str) -> &str {
    match name {
        "accuracy" => "Accuracy",
        "balanced_accuracy" => "Balanced accuracy",
        "macro_f1" => "Macro-F1",
        "weighted_f1" => "Weighted F1",
        "r2" => "R²",
        "pearson" => "Pearson’s r",
        "mae" => "Mean absolute error",
        "explained" => "Variance explained",
        "ceiling" => "At most possible",
        other => other,
    }
}

/// What a score means, in one sentence.
#[must_use]
pub(super) fn meaning(name: &str) -> &'static str {
    match name {
        "accuracy" => "Share of test cells whose class is right.",
        "balanced_accuracy" => "The same, with every class counting equally.",
        "macro_f1" => "Mean F1 of the classes: found, and not mistaken for others.",
        "weighted_f1" => "Mean F1, each class weighted by its cells.",
        "r2" => "Share of the variance that is predicted; 1 is perfect, 0 no better than the mean.",
        "pearson" => "Correlation of true and predicted values.",
        "mae" => "How far off a prediction is on average, in the units of the column.",
        "explained" => "Share of the variance of all genes that the panel predicts.",
        "ceiling" => "The same for the components themselves, which no panel exceeds by much.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [
            0.0,
            0.97,
            1.0,
            0.05,
            12.34,
            1234.0,
            2e6,
            1e-5,
            -0.5,
            f64::NAN,
        ];
        let want = [
            "0", "0.97", "1", "0.05", "12.3", "1234", "2.0e6", "1.0e−5", "−0.5", "–",
        ];
        assert_eq!(all.map(figure), want);
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.01, -0.02, -1e-9].map(change),
            ["+0.010", "−0.020", "0.000"]
        );
        assert_eq!(
            [-0.25, -1e-4, f64::NEG_INFINITY].map(score),
            ["−0.250", "0.000", "−inf"]
        );
        assert_eq!([0.123, -0.02].map(percent), ["12.3 %", "−2.0 %"]);
        assert_eq!([0.0123, -2e-4].map(lost), ["1.23 %", "−0.02 %"]);
        assert_eq!([-1e-4, -1e-5].map(gene_score), ["−0.0001", "0.0000"]);
    }

    #[test]
    fn names_of_any_script_stay_apart() {
        assert_eq!(name("<b>&"), "<bdi>&lt;b&gt;&amp;</bdi>");
        assert_eq!(plain("ab"), "ab");
        assert_eq!(plain("مر"), "\u{2068}مر\u{2069}");
        let list = ["a", "b", "c"].map(String::from);
        assert_eq!(names(&list, 2), "<bdi>a</bdi>, <bdi>b</bdi> and 1 more");
    }
}
