//! HTML and SVG as text: what the pages of `report` and of `bench compare` share.

/// `<`, `>`, `&` and quotes as HTML and SVG want them; control characters, which neither may hold, as
/// U+FFFD.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if forbidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Control characters save the white ones, and what XML has no place for.
#[must_use]
pub fn forbidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A whole page. `title` is plain text; `style` and `body` are taken as they are.
#[must_use]
pub fn page(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

/// An SVG drawing as an image with a title and a description for those who do not see it: both plain
/// text. `id` begins the ids of the two; `attributes` are those of the `svg` element, taken as they are.
/// `None` where the text is no SVG.
#[must_use]
pub fn image(svg: &str, id: &str, attributes: &str, title: &str, words: &str) -> Option<String> {
    let start = svg.find("<svg")?;
    let end = start + svg[start..].find('>')? + 1;
    Some(format!(
        "<svg role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-words\" {attributes}>\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-words\">{}</desc>{}",
        escape(title),
        escape(words),
        &svg[end..]
    ))
}

/// A text as a POSIX shell reads it back.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/+:@,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_only_text() {
        assert_eq!(
            escape("<script>'\"&\u{0}\u{1b}[0m</script>"),
            "&lt;script&gt;&#39;&quot;&amp;\u{fffd}\u{fffd}[0m&lt;/script&gt;"
        );
        assert_eq!(escape("αβ مرحبا 🧬"), "αβ مرحبا 🧬");
    }

    #[test]
    fn a_shell_reads_back_what_is_quoted() {
        assert_eq!(quoted("a/b.h5ad"), "a/b.h5ad");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn an_image_has_its_words() {
        let got = image(
            "<svg width=\"3\"><g/></svg>",
            "p",
            "viewBox=\"0 0 1 1\"",
            "a<b",
            "\"c\"",
        );
        let got = got.unwrap_or_default();
        assert!(
            got.contains("<title id=\"p-title\">a&lt;b</title>"),
            "{got}"
        );
        assert!(!got.contains("width"), "{got}");
        assert_eq!(image("no drawing", "p", "", "", ""), None);
    }
}
