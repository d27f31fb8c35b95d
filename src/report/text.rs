//! Words and numbers that all renderings share.

use super::Event;

/// Width to which blocks are wrapped where there is no terminal.
pub const PLAIN_WIDTH: usize = 120;

/// `340ms`, `7.6s`, `3m04s`, `1h02m`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{seconds}.{}s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 host`, `3 hosts`.
pub fn count(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// `no change`, `1 change`, `12 changes`.
pub fn changes(number: usize) -> String {
    match number {
        0 => "no change".to_owned(),
        number => count(number, "change"),
    }
}

/// How a command on a host ended: `done`, `exit 3`, or why nobody knows.
pub fn ended(status: Option<i32>, reason: Option<&str>) -> String {
    match (status, reason) {
        (Some(0), _) => "done".to_owned(),
        (Some(status), None) => format!("exit {status}"),
        (_, Some(reason)) => reason.to_owned(),
        (None, None) => "no exit status".to_owned(),
    }
}

/// The text without escape sequences and with other control characters as `?`, but for line ends and tabs: output of hosts
/// must not drive the terminal.
pub fn printable(text: &str) -> String {
    console::strip_ansi_codes(text)
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => '?',
            c => c,
        })
        .collect()
}

/// The last line of a run.
pub fn ending(event: &Event) -> String {
    let Event::RunFinished {
        message,
        changed,
        failed,
        skipped,
        ms,
        ..
    } = event
    else {
        return String::new();
    };
    let mut parts = vec![changes(*changed)];
    if *failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if *skipped > 0 {
        parts.push(format!("{skipped} not started"));
    }
    format!("{message} ({}, {})", parts.join(", "), duration(*ms))
}

/// Breaks text at spaces so that no line is wider than `width` columns; a longer word stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let used = console::measure_text_width(&line);
            if used > 0 && used + 1 + console::measure_text_width(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Seconds since 1970 as RFC 3339 has them: `2026-11-21T08:15:00Z`.
pub fn time(seconds: u64) -> String {
    let stamp = stamp(seconds);
    match stamp.split_once('T') {
        Some((date, time)) => format!("{date}T{}", time.replace('-', ":")),
        None => stamp,
    }
}

/// UTC as `2026-11-21T08-15-00Z`: sorts by time and is a file name.
pub fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year.
    let day = days + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{:02}T{:02}-{:02}-{:02}Z",
        of_year - (153 * shifted + 2) / 5 + 1,
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(stamp(0), "1970-01-01T00-00-00Z");
        assert_eq!(stamp(951_782_399), "2000-02-28T23-59-59Z");
        assert_eq!(stamp(951_782_400), "2000-02-29T00-00-00Z");
        assert_eq!(stamp(1_795_248_900), "2026-11-21T08-15-00Z");
    }
}
