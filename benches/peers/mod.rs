//! The same by Python libraries, where python3 is there: the scripts of benches/peers in a virtual environment that this makes
//! once.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The Python of the virtual environment; `None`, saying why, where it cannot be made.
fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let made = Command::new("benches/peers/setup").output();
            match made {
                Ok(output) if output.status.success() => {
                    Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
                }
                Ok(output) => {
                    println!("left out the Python peers: {}", String::from_utf8_lossy(&output.stderr).trim());
                    None
                }
                Err(error) => {
                    println!("left out the Python peers: {error}");
                    None
                }
            }
        })
        .as_ref()
}

/// How long a script takes, as it measures itself.
pub fn run(script: &str, arguments: &[&str]) -> Option<Duration> {
    let output =
        Command::new(python()?).arg(format!("benches/peers/{script}")).args(arguments).output().expect("python runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints seconds");
    Some(Duration::from_secs_f64(seconds))
}
