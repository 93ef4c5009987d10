//! What makes a gene a poor target for probes, as far as expression and names tell.
use crate::data::filter::fits;

/// Highest class mean, in counts per 10,000, above which a gene is flagged where nothing else is said: 1 %
/// of all transcripts of a cell crowd its image.
pub const HIGH_MEAN: f32 = 100.0;

/// Bounds of the flags. They bar no gene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A gene whose highest class mean is above is `too high`; `None`: none is.
    pub max_mean: Option<f32>,
    /// A gene that fewer of the cells of every class detect is `too low`.
    pub min_detection: f32,
}

/// Flags of a gene by its highest class mean and detection, its name, and the other genes of the panel.
#[must_use]
pub fn flags(limits: Limits, mean: f32, detected: f32, name: &str, others: &[&str]) -> Vec<String> {
    let mut flags = Vec::new();
    if limits.max_mean.is_some_and(|most| mean > most) {
        flags.push("too high".to_owned());
    }
    if detected < limits.min_detection {
        flags.push("too low".into());
    }
    let patterns = [
        ("mito", "mitochondrial"),
        ("ribo", "ribosomal"),
        ("hemoglobin", "hemoglobin"),
        ("spike-ins", "spike-in"),
    ];
    let named = patterns.iter().filter(|(word, _)| fits(word, name));
    flags.extend(named.map(|(_, flag)| (*flag).to_owned()));
    if like_pseudogene(name) {
        flags.push("named like a pseudogene".into());
    }
    if unnamed(name) {
        flags.push("named after its locus".into());
    }
    let kin: Vec<&str> = (others.iter().copied())
        .filter(|other| *other != name && alike(name, other))
        .collect();
    if !kin.is_empty() {
        flags.push(format!("may hybridise with {}", kin.join(" and ")));
    }
    flags
}

/// Names such as RPL21P4, KRT8P12, Rpl13-ps3: a gene's name, P and a number. Letters before the P are not
/// taken for one (FOXP3, MMP9, TIMP1).
fn like_pseudogene(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if let Some((_, number)) = lower.rsplit_once("-ps") {
        return number.bytes().all(|b| b.is_ascii_digit());
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let before = stem.strip_suffix('P');
    stem.len() < name.len() && before.is_some_and(|s| s.ends_with(|c: char| c.is_ascii_digit()))
}

/// Names of clones and predicted genes: RP11-206L10.2, AC006450.3, AL627309.1, LOC100130418, Gm12345.
fn unnamed(name: &str) -> bool {
    let numbered = |prefix: &str, least: usize| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits >= least
                && rest[digits..]
                    .bytes()
                    .all(|b| b == b'.' || b.is_ascii_digit())
        })
    };
    let clone = ["RP", "CTA", "CTB", "CTC", "CTD", "XX"]
        .iter()
        .any(|prefix| {
            let rest = name.strip_prefix(prefix);
            rest.and_then(|r| r.split_once('-'))
                .is_some_and(|(library, rest)| {
                    library.bytes().all(|b| b.is_ascii_digit())
                        && rest.contains('.')
                        && rest.starts_with(|c: char| c.is_ascii_digit())
                })
        });
    let accession = ["AC", "AL", "AP", "AF", "BX", "FP"]
        .iter()
        .any(|p| numbered(p, 6));
    clone || accession || numbered("LOC", 3) || numbered("Gm", 3)
}

/// Whether two names differ only in a number at their end (KRT8, KRT18) or in their last letter (REG1A,
/// REG1B), with three characters or more in common before: their transcripts may be alike. A number of four digits or more
/// is one of a list, and tells no family (ENSG00000143546, KIAA0101, ERCC-00074).
#[must_use]
pub fn alike(a: &str, b: &str) -> bool {
    fn stems(name: &str) -> (Option<&str>, Option<&str>) {
        let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let lettered = name.strip_suffix(|c: char| c.is_ascii_alphabetic());
        let long = |stem: &str| stem.len() >= 3;
        let digits = name.len() - numbered.len();
        (
            Some(numbered).filter(|s| (1..4).contains(&digits) && long(s)),
            lettered.filter(|s| long(s) && s.ends_with(|c: char| c.is_ascii_digit())),
        )
    }
    let ((a_number, a_letter), (b_number, b_letter)) = (stems(a), stems(b));
    let same = |x: Option<&str>, y: Option<&str>| x.is_some() && x == y;
    a != b && (same(a_number, b_number) || same(a_letter, b_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kin_are_alike() {
        let pairs = [
            ("KRT8", "KRT18"),
            ("REG1A", "REG1B"),
            ("S100A8", "S100A9"),
            ("HBA1", "HBA2"),
        ];
        for (a, b) in pairs {
            assert!(alike(a, b), "{a} {b}");
        }
        let others = [
            ("INS", "INHBA"),
            ("SLC2A1", "SLC30A8"),
            ("CD3", "CD4"),
            ("GCG", "GC"),
            ("ENSG00000143546", "ENSG00000163220"),
            ("KIAA0101", "KIAA1217"),
            ("ERCC-00074", "ERCC-00130"),
            ("LOC100130418", "LOC646214"),
            ("A", "A"),
        ];
        for (a, b) in others {
            assert!(!alike(a, b), "{a} {b}");
        }
    }

    #[test]
    fn pseudogenes_and_loci_are_told_from_genes() {
        for name in ["RPL21P4", "KRT8P12", "EEF1A1P5", "Rpl13-ps3"] {
            assert!(like_pseudogene(name), "{name}");
        }
        for name in [
            "RP11-206L10.2",
            "AC006450.3",
            "AL627309.1",
            "LOC100130418",
            "Gm12345",
            "CTD-2201E9.1",
        ] {
            assert!(unnamed(name), "{name}");
        }
        for name in [
            "FOXP3", "MMP9", "TIMP1", "S100P", "RPS6", "ACTB", "GMPR", "AQP4", "CASP3", "LOXL2",
        ] {
            assert!(!like_pseudogene(name) && !unnamed(name), "{name}");
        }
    }

    #[test]
    fn bounds_are_those_that_were_given() {
        let limits = Limits {
            max_mean: Some(50.0),
            min_detection: 0.1,
        };
        assert_eq!(flags(limits, 50.0, 0.1, "INS", &["INS"]), [""; 0]);
        assert_eq!(
            flags(limits, 50.5, 0.09, "INS", &[]),
            ["too high", "too low"]
        );
        assert_eq!(flags(limits, 1.0, 1.0, "MT-ND1", &[]), ["mitochondrial"]);
        assert_eq!(
            flags(limits, 1.0, 1.0, "ERCC-00074", &["ERCC-00130"]),
            ["spike-in"]
        );
        assert_eq!(flags(limits, 1.0, 1.0, "ERCC6", &[]), [""; 0]);
        let kin = flags(limits, 1.0, 1.0, "REG1A", &["INS", "REG1B", "REG1A"]);
        assert_eq!(kin, ["may hybridise with REG1B"]);
        let none = Limits {
            max_mean: None,
            min_detection: 0.0,
        };
        assert_eq!(flags(none, 1e9, 0.0, "INS", &[]), [""; 0]);
    }
}
