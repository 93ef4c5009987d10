//! A headless Chromium over the DevTools protocol, spoken through two pipes: no port, no other crate.
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use yoto_gpu::check::browser::find;

/// Far more than a page takes.
const LIMIT: Duration = Duration::from_secs(90);

/// Chromium's place; its absence is a failure where `YOTO_REQUIRE_GPU=1` or `CI` is set.
pub fn chromium() -> Option<PathBuf> {
    let found = find();
    if found.is_none() {
        let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
        assert!(
            !set("YOTO_REQUIRE_GPU") && !set("CI"),
            "Chromium is required"
        );
        println!("SKIPPED, no Chromium");
    }
    found
}

/// A Chromium with one page; it ends with its owner.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    id: u64,
    session: String,
    /// Addresses that the page asked for.
    pub requests: Vec<String>,
    /// What it said on the console, and what it threw.
    pub said: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    pub fn start(chromium: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a profile");
        // Chromium reads file 3 and writes file 4; the shell gives it our pipes as these
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            ])
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-component-update",
            ])
            .args(["--disable-background-networking", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let to = child.stdin.take().expect("piped");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    break;
                };
                if tell.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            id: 0,
            session: String::new(),
            requests: Vec::new(),
            said: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", target);
        browser.session = session["sessionId"].as_str().expect("a session").into();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and gives its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let mut message = json!({"id": self.id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("Chromium reads");
        let id = self.id;
        let answer = self.until(|m| m["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// The next message that is wanted; what a page does meanwhile is noted.
    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self
                .from
                .recv_timeout(left)
                .expect("Chromium answers in time");
            let params = &message["params"];
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    self.requests.push(url.into());
                }
                Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                    self.said.push(params.to_string());
                }
                _ => {}
            }
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Opens a file at a width, light or dark, and waits until it is drawn.
    pub fn open(&mut self, path: &Path, width: u32, dark: bool) {
        (self.requests, self.said) = (Vec::new(), Vec::new());
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
        let url = format!("file://{}", path.display());
        self.call("Page.navigate", json!({ "url": url }));
        self.until(|m| m["method"] == "Page.loadEventFired");
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }
}
