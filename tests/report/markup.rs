//! A small checker of HTML: every element closed in its place, attributes quoted, names of characters known, ids
//! unique, headings in order, tables and plots described.
use std::collections::HashSet;

/// Elements without content.
const VOID: [&str; 3] = ["meta", "br", "link"];

/// An element that was opened.
#[derive(Clone, Debug)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Text directly and further inside.
    pub text: String,
    /// Names of the elements inside, at any depth.
    pub inside: Vec<String>,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|a| a.0 == name);
        found.map(|a| a.1.as_str())
    }
}

/// All elements of a page in the order of their ends.
///
/// # Errors
/// The first fault, in words.
pub fn parse(html: &str) -> Result<Vec<Element>, String> {
    let mut rest = html.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    let (mut open, mut done): (Vec<Element>, Vec<Element>) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let near = || rest.chars().take(60).collect::<String>();
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            let text = decode(&rest[..end])?;
            if !text.trim().is_empty() && open.is_empty() {
                return Err(format!("text outside of everything: {}", near()));
            }
            open.iter_mut().for_each(|e| e.text += &text);
            rest = &rest[end..];
            continue;
        };
        if let Some(tag) = tag.strip_prefix('/') {
            let end = tag.find('>').ok_or_else(|| format!("no end: {}", near()))?;
            let element = open
                .pop()
                .ok_or_else(|| format!("closes nothing: {}", near()))?;
            if element.name != tag[..end] {
                return Err(format!("{} is closed by {}", element.name, &tag[..end]));
            }
            open.iter_mut()
                .for_each(|e| e.inside.push(element.name.clone()));
            done.push(element);
            rest = &tag[end + 1..];
            continue;
        }
        let (element, closed, after) = start(tag).map_err(|e| format!("{e}: {}", near()))?;
        rest = after;
        if closed || VOID.contains(&element.name.as_str()) {
            open.iter_mut()
                .for_each(|e| e.inside.push(element.name.clone()));
            done.push(element);
        } else if element.name == "style" {
            // raw text
            let end = rest.find("</style>").ok_or("style without end")?;
            rest = &rest[end + "</style>".len()..];
            done.push(element);
        } else {
            open.push(element);
        }
    }
    match open.pop() {
        Some(e) => Err(format!("{} is not closed", e.name)),
        None => Ok(done),
    }
}

/// An element's start after its `<`: the element, whether it ends itself, and what follows.
fn start(tag: &str) -> Result<(Element, bool, &str), String> {
    let word = |s: &str| s.find(|c: char| !(c.is_ascii_alphanumeric() || "-:".contains(c)));
    let end = word(tag).ok_or("no end of a name")?;
    let mut element = Element {
        name: tag[..end].to_owned(),
        attributes: Vec::new(),
        text: String::new(),
        inside: Vec::new(),
    };
    if element.name.is_empty() || element.name == "script" {
        return Err(format!("an element {:?}", element.name));
    }
    let mut rest = tag[end..].trim_start();
    loop {
        if let Some(after) = rest.strip_prefix("/>") {
            return Ok((element, true, after));
        }
        if let Some(after) = rest.strip_prefix('>') {
            return Ok((element, false, after));
        }
        let end = word(rest).ok_or("no end of an attribute")?;
        let (name, after) = rest.split_at(end);
        let value = after
            .strip_prefix("=\"")
            .ok_or("an attribute without quotes")?;
        let end = value.find('"').ok_or("an attribute without end")?;
        if name.starts_with("on") || value[..end].contains('<') {
            return Err(format!("the attribute {name}"));
        }
        if element.attribute(name).is_some() {
            return Err(format!("{name} twice"));
        }
        element
            .attributes
            .push((name.to_owned(), decode(&value[..end])?));
        rest = value[end + 1..].trim_start();
    }
}

fn decode(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out += &rest[..at];
        let end = rest[at..].find(';').ok_or("an & without name")? + at;
        out.push(match &rest[at + 1..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" | "#39" => '\'',
            other => return Err(format!("the character &{other};")),
        });
        rest = &rest[end + 1..];
    }
    out += rest;
    let wrong = |c: char| c.is_control() && c != '\n' && c != '\t';
    match out.chars().find(|c| wrong(*c)) {
        Some(c) => Err(format!("the control character {c:?}")),
        None => Ok(out),
    }
}

/// What is wrong with a page for those who do not see it, and what it would load.
pub fn faults(elements: &[Element], html: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = HashSet::new();
    for e in elements {
        if let Some(id) = e.attribute("id")
            && !ids.insert(id.to_owned())
        {
            faults.push(format!("the id {id} twice"));
        }
        let loads = ["src", "srcset", "data", "xlink:href", "action", "poster"];
        if loads.iter().any(|a| e.attribute(a).is_some()) {
            faults.push(format!("{} loads something", e.name));
        }
        match e.name.as_str() {
            "link" | "iframe" | "object" | "embed" | "img" => faults.push(format!("a {}", e.name)),
            "a" if !e.attribute("href").is_some_and(|h| h.starts_with('#')) => {
                faults.push("a link to elsewhere".into());
            }
            "svg" if e.attribute("aria-hidden") != Some("true") => {
                let described = e.attribute("role") == Some("img")
                    && e.attribute("aria-labelledby").is_some()
                    && e.inside.iter().any(|i| i == "title")
                    && e.inside.iter().any(|i| i == "desc");
                if !described {
                    faults.push("a plot without title or description".into());
                }
            }
            "title" | "desc" | "caption" if e.text.trim().is_empty() => {
                faults.push(format!("an empty {}", e.name));
            }
            "table" if !e.inside.iter().any(|i| i == "caption") => {
                faults.push("a table without caption".into());
            }
            "th" if e.attribute("scope").is_none() => faults.push("a th without scope".into()),
            _ => {}
        }
        for to in ["aria-labelledby", "aria-describedby"] {
            if let Some(id) = e.attribute(to)
                && !html.contains(&format!("id=\"{id}\""))
            {
                faults.push(format!("{to} names {id}, which there is not"));
            }
        }
        if let Some(id) = e.attribute("href").and_then(|h| h.strip_prefix('#'))
            && !html.contains(&format!("id=\"{id}\""))
        {
            faults.push(format!("a link to #{id}, which there is not"));
        }
    }
    for landmark in ["header", "nav", "main", "footer", "h1"] {
        if elements.iter().filter(|e| e.name == landmark).count() != 1 {
            faults.push(format!("not one {landmark}"));
        }
    }
    let mut last = 0;
    for (at, _) in html.match_indices("<h") {
        let level = html[at + 2..].chars().next().and_then(|c| c.to_digit(10));
        if let Some(level) = level {
            if level > last + 1 {
                faults.push(format!("a heading of level {level} after {last}"));
            }
            last = level;
        }
    }
    if html.contains("url(") || html.contains("@import") {
        faults.push("the style loads something".into());
    }
    faults
}

#[test]
fn planted_faults_are_found() {
    let page = |body: &str| {
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"></head><body><header><h1>a</h1></header>\
             <nav></nav><main>{body}</main><footer></footer></body></html>"
        )
    };
    let check = |body: &str| {
        let html = page(body);
        parse(&html).map(|e| faults(&e, &html))
    };
    assert_eq!(check("<h2 id=\"a\">b &amp; c</h2>"), Ok(vec![]));
    for broken in [
        "<p>",
        "</p>",
        "<b><i></b></i>",
        "a & b",
        "<p class=x></p>",
        "<script>1</script>",
        "<p onclick=\"x\"></p>",
        "\u{1}",
    ] {
        assert!(check(broken).is_err(), "{broken}");
    }
    for fault in [
        "<h3>a</h3>",
        "<h2 id=\"a\">b</h2><h2 id=\"a\">b</h2>",
        "<svg role=\"img\" aria-labelledby=\"main\"><title id=\"main\">a</title></svg>",
        "<table><caption>a</caption><tr><th>a</th></tr></table>",
        "<table></table>",
        "<img src=\"http://a\"/>",
        "<a href=\"#b\">b</a>",
        "<a href=\"http://a\">b</a>",
        "<h1>b</h1>",
    ] {
        let found = check(fault).unwrap();
        assert!(!found.is_empty(), "{fault}");
    }
}
