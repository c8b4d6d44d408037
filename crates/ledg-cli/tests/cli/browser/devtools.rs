//! A browser without a window, driven over its DevTools protocol.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long the browser may be silent.
const PATIENCE: Duration = Duration::from_secs(120);

/// A page in a browser; both end when it is dropped.
pub struct Page {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    next_id: u64,
    /// What the browser told unasked, in order.
    pub events: Vec<Value>,
    _profile: TempDir,
}

/// The browser that the environment variable `LEDG_BROWSER` names, or one of the path.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LEDG_BROWSER") {
        return Some(named.into());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

impl Page {
    /// Starts a browser with an empty page.
    pub fn open(browser: &Path) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("the browser ended before it listened");
        // Nobody may block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let host = address.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(&address, stream).unwrap();
        let mut page = Page { child, socket, session: None, next_id: 0, events: Vec::new(), _profile: profile };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = page.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    /// Calls a method and waits for its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Size of the window, and whether the system prefers dark.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.call("Emulation.setEmulatedMedia", json!({"features": [scheme]}));
    }

    /// Opens a file and waits until its scripts have run.
    pub fn visit(&mut self, path: &Path) {
        let url = file_url(path);
        self.call("Page.navigate", json!({"url": url}));
        let ready = "new Promise((done) => { const look = () => \
                     document.documentElement.dataset.ready ? done(true) : setTimeout(look, 20); look(); })";
        // A navigation under way may destroy the place in which the promise waits.
        for _ in 0..50 {
            if self.try_evaluate(ready) == Some(json!(true)) {
                return;
            }
        }
        panic!("{url}: not ready; {:?}", self.complaints());
    }

    fn try_evaluate(&mut self, script: &str) -> Option<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let message =
            json!({"id": id, "method": "Runtime.evaluate", "params": params, "sessionId": self.session.as_deref()});
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == id {
                return answer.get_mut("result").map(|result| result["result"]["value"].take());
            }
            self.events.push(answer);
        }
    }

    /// The value of a script, whose promise is waited for.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let mut result = self.call("Runtime.evaluate", params);
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].take()
    }

    /// Presses and releases a key, as a person does.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "code": key}));
        }
    }

    /// Types a text where the focus is.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Exceptions, and what the browser wrote into its log.
    pub fn complaints(&self) -> Vec<String> {
        let bad = ["Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"];
        self.events.iter().filter(|e| bad.contains(&e["method"].as_str().unwrap_or(""))).map(Value::to_string).collect()
    }

    /// Addresses that were asked for.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        sent.map(|e| e["params"]["request"]["url"].as_str().unwrap_or("?").to_owned()).collect()
    }

    /// Saves what the page looks like, the whole of it or what is in view.
    pub fn screenshot(&mut self, path: &Path, whole: bool) {
        let picture = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": whole}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The address of a file, with what an address cannot hold as per cent.
pub fn file_url(path: &Path) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/-._~".contains(b);
    let encoded: Vec<String> = path
        .to_str()
        .unwrap()
        .bytes()
        .map(|b| if plain(&b) { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect();
    format!("file://{}", encoded.concat())
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
