//! A private certificate authority with one server and one client, made by `openssl`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::janitor::scratch_dir;

/// See the module. The files are `ca`, `server` and `client`, each as `.crt` and `.key` in PEM.
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes new ones, for 127.0.0.1 and two days.
    pub fn make() -> Self {
        let made = Self { dir: scratch_dir("certificates") };
        std::fs::write(made.path("extensions"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
        made.openssl(&["req", "-x509", "-days", "2", "-subj", "/CN=tests", "-out", "ca.crt"], &key, &["ca.key"]);
        for name in ["server", "client"] {
            let (request, private) = (format!("{name}.csr"), format!("{name}.key"));
            let subject = format!("/CN={name}");
            made.openssl(&["req", "-subj", &subject, "-out", &request], &key, &[&private]);
            let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"];
            let certificate = format!("{name}.crt");
            made.openssl(&["x509", "-req", "-days", "2", "-in", &request], &by, &["-out", &certificate]);
        }
        made
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn openssl(&self, first: &[&str], then: &[&str], last: &[&str]) {
        let arguments = [first, then, last].concat();
        let output = Command::new("openssl").args(&arguments).current_dir(&self.dir).stdin(Stdio::null()).output();
        let output = output.expect("the program openssl");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
