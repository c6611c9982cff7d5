#![doc = include_str!("tour.md")]

// The tables of the page are made of what gates the calls: `TOUR=overwrite cargo test -p diesel-timescale --lib tour`
// writes them.
#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::feature::{Feature, Needs};
    use crate::known_issues::{KNOWN_ISSUES, KnownIssue};
    use crate::server::TimescaleVersion;

    const PAGE: &str = include_str!("tour.md");
    const MIGRATION: &str = include_str!("../migrations/00-diesel-timescale-02_hypertable/up.sql");

    /// The releases that this crate is for.
    const RELEASES: std::ops::RangeInclusive<u32> = 17..=32;

    fn release(version: TimescaleVersion) -> String {
        format!("{}.{}", version.major, version.minor)
    }

    /// Feature by edition, and what plain PostgreSQL does.
    fn features() -> String {
        let mut table = "| feature | Apache | Community | plain PostgreSQL |\n|---|---|---|---|\n".to_owned();
        for feature in Feature::ALL {
            let [apache, community] = match feature.needs() {
                Needs::Apache(since) => [release(since), release(since)],
                Needs::Community(since) => ["–".to_owned(), release(since)],
                Needs::Toolkit(since) => [(); 2].map(|()| format!("Toolkit {}", release(since))),
            };
            let plain = feature.on_plain_postgres();
            let _ = writeln!(
                table,
                "| {feature}: [`{0}`](crate::Feature::{0}) | {apache} | {community} | {plain} |",
                feature.sql_name()
            );
        }
        table
    }

    /// What each release brings.
    fn releases() -> String {
        let mut table = "| release | brings | has as known faults |\n|---|---|---|\n".to_owned();
        for minor in RELEASES {
            let list = |names: Vec<&str>| if names.is_empty() { "–".to_owned() } else { names.join(", ") };
            let brought = Feature::ALL.iter().filter(|feature| match feature.needs() {
                Needs::Apache(since) | Needs::Community(since) => since.major == 2 && since.minor == minor,
                Needs::Toolkit(_) => false,
            });
            let last = TimescaleVersion::new(2, minor, 99);
            let faults = KNOWN_ISSUES.iter().filter(|issue| affects_on_some_postgres(issue, last));
            let _ = writeln!(
                table,
                "| 2.{minor} | {} | {} |",
                list(brought.map(|feature| feature.as_str()).collect()),
                list(faults.map(|issue| issue.id).collect()),
            );
        }
        table
    }

    fn affects_on_some_postgres(issue: &KnownIssue, version: TimescaleVersion) -> bool {
        issue.postgres.first().map_or_else(|| issue.affects(version, 0), |postgres| issue.affects(version, *postgres))
    }

    /// What each fault is.
    fn faults() -> String {
        let mut list = String::new();
        for issue in KNOWN_ISSUES {
            let text = issue.to_string();
            let links = issue.sources.iter().fold(text, |text, url| text.replace(url, &format!("<{url}>")));
            let _ = writeln!(list, "- `{}`: {links}", issue.id);
        }
        list
    }

    /// The page with its generated parts written anew.
    fn written() -> String {
        let mut page = PAGE.to_owned();
        for (name, part) in [("features", features()), ("releases", releases()), ("faults", faults())] {
            let (begin, end) = (format!("<!-- {name} -->\n\n"), format!("\n<!-- end of {name} -->"));
            let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin:?}"));
            let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end:?}"));
            page = format!("{before}{begin}{part}{end}{after}");
        }
        page
    }

    #[test]
    fn the_page_says_what_the_tables_say() {
        let written = written();
        if std::env::var("TOUR").is_ok_and(|what| what == "overwrite") {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tour.md");
            std::fs::write(path, written).unwrap();
        } else {
            let remedy = "src/tour.md is out of date: TOUR=overwrite cargo test -p diesel-timescale --lib tour";
            assert!(PAGE == written, "{remedy}");
        }
    }

    #[test]
    fn the_server_has_the_same_table() {
        let (_, table) = MIGRATION.split_once("FUNCTION diesel_timescale.features()").unwrap();
        let (table, _) = table.split_once("END;").unwrap();
        let rows: Vec<_> = table.lines().filter_map(|line| line.trim().strip_prefix("('")).collect();
        let expected = Feature::ALL.iter().map(|feature| {
            let (kind, since) = match feature.needs() {
                Needs::Apache(since) => ("Apache", since),
                Needs::Community(since) => ("Community", since),
                Needs::Toolkit(since) => ("Toolkit", since),
            };
            format!("{}', '{feature}', '{kind}', ARRAY[{}, {}])", feature.sql_name(), since.major, since.minor)
        });
        let found: Vec<_> = rows.iter().map(|row| row.trim_end_matches([',', ';'])).collect();
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
