//! One snippet for each mistake and its exact message at its exact place.

use super::{BASE, complaints};

/// Changes `BASE`: `from => to` replaces a part, `+ text` adds lines at the end.
struct Case {
    change: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
}

const fn replace(
    change: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Case {
    Case { change, says }
}

fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for case in cases {
        let mut text = BASE.to_owned();
        for (from, to) in case.change {
            if from.is_empty() {
                text.push_str(to);
            } else {
                assert!(text.contains(from), "{from} is not in the text");
                text = text.replacen(from, to, 1);
            }
        }
        let said = complaints(&text);
        if said != case.says {
            wrong.push_str(&format!(
                "\n{:?}\n  said {said:#?}\n  not  {:#?}\n",
                case.change, case.says
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_base_is_right() {
    assert_eq!(complaints(BASE), Vec::<String>::new());
}
