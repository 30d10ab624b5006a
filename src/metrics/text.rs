//! From OpenMetrics, which the library writes, to Prometheus' text format, which every tool and
//! every person can read.

/// The same metrics in Prometheus' text format.
pub(super) fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), _, words) => help = words.unwrap_or_default(),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                text += &format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
            }
            // The end, and units, which the name already has.
            (Some("#"), ..) => {}
            _ => {
                text += line;
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_the_text_format() {
        let open = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{a=\"# b\"} 1\n\
                    # HELP build Version.\n# TYPE build info\nbuild_info{v=\"1\"} 1\n\
                    # HELP leader Leads.\n# TYPE leader gauge\nleader 0\n# EOF\n";
        let wanted = "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{a=\"# b\"} 1\n\
                      # HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n\
                      # HELP leader Leads.\n# TYPE leader gauge\nleader 0\n";
        assert_eq!(plain(open), wanted);
    }
}
