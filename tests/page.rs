//! The page of a run in Chromium: no error, no request, nothing cut or too wide, text that can be read and selected,
//! light and dark. Planted faults must be found.
#[path = "report/devtools.rs"]
mod devtools;
#[path = "report/runs.rs"]
mod runs;

use devtools::{Browser, chromium};
use runs::{hostile, made_up, plainly, train};
use std::path::Path;
use yoto_gpu::report::page::html;

const CHECKS: &str = include_str!("report/checks.js");
const WIDTHS: [u32; 2] = [1280, 375];

/// Opens a page in both modes and at both widths; what is wrong with it.
fn faults(browser: &mut Browser, path: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let mut papers = Vec::new();
    for width in WIDTHS {
        for dark in [false, true] {
            browser.open(path, width, dark);
            let found = browser.value(CHECKS);
            let at = format!("{width}, dark {dark}");
            assert!(found["texts"].as_u64() > Some(3), "{at}: {found}");
            for fault in found["faults"].as_array().expect("a list") {
                faults.push(format!("{at}: {fault}"));
            }
            if found["selected"] != found["wanted"] {
                faults.push(format!("{at}: selected {}", found["selected"]));
            }
            faults.extend(browser.said.iter().map(|s| format!("{at}: it says {s}")));
            let own = format!("file://{}", path.display());
            let others = browser.requests.iter().filter(|r| **r != own);
            faults.extend(others.map(|r| format!("{at}: it asks for {r}")));
            papers.push((found["paper"].clone(), found["ink"].clone()));
        }
    }
    if papers[0] == papers[1] || papers[0].0 == papers[1].0 || papers[0].1 == papers[1].1 {
        faults.push(format!("light and dark are the same: {papers:?}"));
    }
    faults
}

#[test]
fn pages_are_whole_in_chromium() {
    let Some(chromium) = chromium() else {
        return;
    };
    let dir = tempfile::tempdir().expect("dir");
    let run = dir.path().join("run");
    train(&run, &["--genes", "6,12"]);
    let mut pages = vec![run.join("report.html")];
    let made = [
        ("two", vec![made_up(8, 2, 60, &plainly)]),
        ("many", vec![made_up(90, 50, 600, &plainly)]),
        ("hostile", vec![made_up(20, 8, 100, &hostile)]),
        (
            "three",
            vec![
                made_up(8, 3, 60, &plainly),
                made_up(16, 3, 60, &plainly),
                made_up(12, 9, 90, &hostile),
            ],
        ),
    ];
    for (name, reports) in made {
        let path = dir.path().join(format!("{name}.html"));
        std::fs::write(&path, html(&reports).expect("drawn")).expect("written");
        pages.push(path);
    }
    let mut browser = Browser::start(&chromium);
    for page in pages {
        assert_eq!(
            faults(&mut browser, &page),
            Vec::<String>::new(),
            "{}",
            page.display()
        );
        let plots = browser.value("document.querySelectorAll('svg[role=img]').length");
        assert!(plots.as_u64() >= Some(8), "{}: {plots}", page.display());
    }
}

#[test]
fn planted_faults_are_found() {
    let Some(chromium) = chromium() else {
        return;
    };
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("page.html");
    let whole = html(&[made_up(8, 3, 60, &plainly)]).expect("drawn");
    let mut browser = Browser::start(&chromium);
    for (from, to, words) in [
        (
            "</main>",
            "<script>console.error('x')</script></main>",
            "it says",
        ),
        ("</main>", "<script>throw 1</script></main>", "it says"),
        (
            "</main>",
            "<img alt=\"\" src=\"http://127.0.0.1:9/x.png\"></main>",
            "asks for",
        ),
        (
            "</main>",
            "<div style=\"width:2000px\">a</div></main>",
            "wide on",
        ),
        (
            "</main>",
            "<p style=\"color:#999;background:#fff\">a</p></main>",
            "contrast",
        ),
        ("tabindex=\"0\"", "", "reached by keyboard"),
        (
            "</desc>",
            "</desc><text x=\"-2000\" y=\"50\" font-size=\"160\">out</text>",
            "is cut",
        ),
        ("<desc ", "<g ", "without title"),
        ("user-select:text", "user-select:none", "cannot be selected"),
        (
            "@media (prefers-color-scheme:dark)",
            "@media (prefers-color-scheme:x)",
            "the same",
        ),
    ] {
        let broken = whole
            .replace(from, to)
            .replace(if from == "<desc " { "</desc>" } else { "\u{0}" }, "</g>");
        assert_ne!(broken, whole, "{from}");
        std::fs::write(&path, broken).expect("written");
        let found = faults(&mut browser, &path);
        assert!(found.iter().any(|f| f.contains(words)), "{to}: {found:?}");
    }
}
