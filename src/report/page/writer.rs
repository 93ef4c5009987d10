//! The page while it is written: sections within sections, whose headings follow, plots and tables.
use super::canvas::{Drawn, Sheet};
use crate::markup::{escape, image};
use std::fmt::Write;

/// A page in the making.
pub(super) struct Writer {
    html: String,
    depth: usize,
    plots: usize,
    /// Outermost sections: id, heading as HTML.
    pub(super) contents: Vec<(String, String)>,
    ids: usize,
}

/// How a column of a table looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Text.
    Words,
    /// Numbers, to the right.
    Number,
}

/// A table; everything in it is HTML already.
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// Headings of the columns; the first one is that of the rows' names.
    pub(super) columns: Vec<(String, Look)>,
    /// Rows; the first cell of each is its name.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub(super) fn new(caption: &str, columns: &[(&str, Look)]) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect(),
            rows: Vec::new(),
        }
    }
}

/// A cell with a bar behind its text; the share of the longest bar.
#[must_use]
pub(super) fn bar(text: &str, share: f64) -> String {
    let width = 100.0
        * if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
    format!("<span class=\"bar\" style=\"--v:{width:.0}%\">{text}</span>")
}

impl Writer {
    /// An empty page whose outermost sections have headings of the second level.
    #[must_use]
    pub(super) fn new() -> Self {
        Self {
            html: String::new(),
            depth: 2,
            plots: 0,
            contents: Vec::new(),
            ids: 0,
        }
    }

    /// All that was written.
    #[must_use]
    pub(super) fn into_html(self) -> String {
        self.html
    }

    /// A section with a heading (HTML); what is written inside lies one level deeper.
    pub(super) fn section(
        &mut self,
        heading: &str,
        with: impl FnOnce(&mut Self) -> Drawn,
    ) -> Drawn {
        self.ids += 1;
        let (id, level) = (format!("s{}", self.ids), self.depth.min(6));
        if self.depth == 2 {
            self.contents.push((id.clone(), heading.to_owned()));
        }
        // writing to a string does not fail
        let _ = writeln!(
            self.html,
            "<section aria-labelledby=\"{id}\">\n<h{level} id=\"{id}\">{heading}</h{level}>"
        );
        self.depth += 1;
        let done = with(self);
        self.depth -= 1;
        self.html += "</section>\n";
        done
    }

    /// A paragraph (HTML).
    pub(super) fn paragraph(&mut self, html: &str) {
        let _ = writeln!(self.html, "<p>{html}</p>");
    }

    /// A paragraph of explanation (HTML), smaller.
    pub(super) fn note(&mut self, html: &str) {
        let _ = writeln!(self.html, "<p class=\"note\">{html}</p>");
    }

    /// HTML as it is.
    pub(super) fn raw(&mut self, html: &str) {
        self.html += html;
    }

    /// Plots beside one another where there is room.
    pub(super) fn beside(&mut self, with: impl FnOnce(&mut Self) -> Drawn) -> Drawn {
        self.html += "<div class=\"plots\">\n";
        let done = with(self);
        self.html += "</div>\n";
        done
    }

    /// A plot; title and words are plain text for those who do not see it, the caption is HTML. A `wide` one
    /// keeps its size and scrolls in its own box.
    pub(super) fn plot(
        &mut self,
        sheet: &Sheet,
        wide: bool,
        title: &str,
        words: &str,
        caption: &str,
    ) -> Drawn {
        let id = format!("plot{}", self.plots);
        self.plots += 1;
        let svg = image(&sheet.svg, &id, &sheet.attributes(), title, words)
            .ok_or("the plot is no SVG")?;
        let (from, to) = if wide {
            (self.box_start(title), "</div>")
        } else {
            (String::new(), "")
        };
        let kind = if wide { "large" } else { "small" };
        let _ = writeln!(
            self.html,
            "<figure class=\"{kind}\">{from}{svg}{to}\n<figcaption>{caption}</figcaption></figure>"
        );
        Ok(())
    }

    /// A table in a box that scrolls where it is wider than the page; `class` is for the style.
    pub(super) fn table(&mut self, table: &Table, class: &str) {
        let plain = untagged(&table.caption);
        self.html += &self.box_start(&plain);
        let _ = write!(
            self.html,
            "<table class=\"{class}\">\n<caption>{}</caption>\n<thead><tr>",
            table.caption
        );
        let class = |look: Look| match look {
            Look::Number => " class=\"n\"",
            Look::Words => "",
        };
        for (heading, look) in &table.columns {
            let _ = write!(
                self.html,
                "<th scope=\"col\"{}>{heading}</th>",
                class(*look)
            );
        }
        self.html += "</tr></thead>\n<tbody>\n";
        for row in &table.rows {
            self.html += "<tr>";
            for (i, (cell, (_, look))) in row.iter().zip(&table.columns).enumerate() {
                if i == 0 {
                    let _ = write!(self.html, "<th scope=\"row\"{}>{cell}</th>", class(*look));
                } else {
                    let _ = write!(self.html, "<td{}>{cell}</td>", class(*look));
                }
            }
            self.html += "</tr>\n";
        }
        self.html += "</tbody></table></div>\n";
    }

    /// A box that scrolls sideways, by keyboard too; its name is plain text without entities undone.
    #[must_use]
    pub(super) fn box_start(&self, name: &str) -> String {
        format!(
            "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">",
            escape(name)
        )
    }
}

/// HTML without its tags, and with its characters for their names: the text of it.
fn untagged(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(out, |text, (name, c)| text.replace(name, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_follow_the_sections() {
        let mut w = Writer::new();
        let done = w.section("a", |w| w.section("<b>b</b>", |_| Ok(())));
        assert!(done.is_ok());
        assert_eq!(w.contents, [("s1".to_owned(), "a".to_owned())]);
        let html = w.into_html();
        assert!(html.contains("<h2 id=\"s1\">a</h2>"), "{html}");
        assert!(html.contains("<h3 id=\"s2\"><b>b</b></h3>"), "{html}");
    }

    #[test]
    fn the_name_of_a_box_is_text() {
        assert_eq!(untagged("of <bdi>&lt;i&gt;&amp;amp;</bdi>"), "of <i>&amp;");
    }
}
