//! The table of the plugins says how large they are.

use std::{fs, path::Path};

use plugin_tests::ALL;

/// Another compiler may make a little more or less of them.
const TOLERANCE: f64 = 0.1;

#[test]
fn the_readme_has_the_size_of_each_plugin() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/README.md")).unwrap();
    for plugin in ALL {
        let name = plugin.name.replace('_', "-");
        let row = readme.lines().find(|line| line.starts_with(&format!("| [{name}]"))).expect(&name);
        let size = row.split('|').nth_back(1).and_then(|cell| cell.trim().strip_suffix(" KiB")).expect(row);
        let (stated, real) = (size.parse::<f64>().unwrap(), fs::metadata(plugin.file).unwrap().len() as f64 / 1024.0);
        assert!((stated - real).abs() < real * TOLERANCE, "{name} has {real:.0} KiB, and the README says {stated}");
    }
}
