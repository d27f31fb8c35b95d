use super::*;

fn members(count: usize, dead: u32) -> Vec<Member> {
    (0..count)
        .map(|index| Member {
            name: format!("cp{}", index + 1),
            alive: dead & (1 << index) == 0,
            voter: true,
        })
        .collect()
}

/// By the definition of a quorum alone: every two majorities share a member, so more than half of all voters must live.
fn can_commit(voters: usize, alive: usize) -> bool {
    2 * alive > voters
}

/// What must hold, said without the program's own arithmetic.
fn expected(n: usize, dead: u32, leaving: usize) -> Result<(), Danger> {
    let dead_count = dead.count_ones() as usize;
    let alive = n - dead_count;
    let leaving_is_dead = dead & (1 << leaving) != 0;
    let alive_after = if leaving_is_dead { alive } else { alive - 1 };
    match () {
        () if n == 1 => Err(Danger::Last),
        () if !can_commit(n, alive) => Err(Danger::NoneNow),
        () if !can_commit(n - 1, alive_after) => Err(Danger::Lost),
        () if !leaving_is_dead
            && dead_count > 0
            && (alive_after == 0 || !can_commit(n - 1, alive_after - 1)) =>
        {
            Err(Danger::Endangered)
        }
        () => Ok(()),
    }
}

#[test]
fn every_count_every_set_of_dead_members_every_member() {
    let (mut allowed, mut refused) = (0, 0);
    for n in 1..=7 {
        for dead in 0..1_u32 << n {
            let members = members(n, dead);
            for leaving in 0..n {
                let name = &members[leaving].name;
                let verdict = removal(&members, name);
                assert_eq!(
                    verdict.map(|_| ()),
                    expected(n, dead, leaving),
                    "{n} members, dead {dead:07b}, {name} leaves"
                );
                match verdict {
                    Ok(after) => {
                        allowed += 1;
                        assert_eq!(after.voters, n - 1);
                        assert!(can_commit(after.voters, after.alive));
                    }
                    Err(danger) => {
                        refused += 1;
                        let refusal = refusal(danger, &members, name);
                        assert_eq!(refusal.code, Code::Refused);
                        assert!(refusal.hint.is_some());
                        assert!(refusal.message.contains(name.as_str()));
                        for member in &members {
                            assert!(refusal.message.contains(&member.name), "{refusal}");
                        }
                    }
                }
                let meanwhile = absence(&members, name);
                let alive = members.iter().filter(|member| member.alive).count();
                let left = alive - usize::from(members[leaving].alive);
                assert_eq!(
                    meanwhile.is_ok(),
                    can_commit(n, left),
                    "{n} members, dead {dead:07b}, {name} is away"
                );
            }
        }
    }
    // n · 2ⁿ for every n, of which these are left after the definition above.
    assert_eq!((allowed + refused, allowed), (1_538, 321));
}

/// The rows that people ask about, by hand: members, dead ones, who leaves, what is said.
#[test]
fn the_rows_that_people_ask_about() {
    #[rustfmt::skip]
    let rows: &[(usize, u32, usize, Result<usize, Danger>)] = &[
        // n  dead      leaves  spare afterwards
        (1, 0b0,      0, Err(Danger::Last)),
        (2, 0b00,     0, Ok(0)),
        (2, 0b10,     1, Err(Danger::NoneNow)),
        (3, 0b000,    0, Ok(0)),
        (3, 0b001,    0, Ok(0)),
        (3, 0b001,    1, Err(Danger::Lost)),
        (3, 0b011,    0, Err(Danger::NoneNow)),
        (4, 0b0001,   0, Ok(1)),
        (4, 0b0001,   1, Err(Danger::Endangered)),
        (5, 0b00001,  1, Err(Danger::Endangered)),
        (5, 0b00011,  0, Ok(0)),
        (5, 0b00011,  2, Err(Danger::Lost)),
        (5, 0b00000,  4, Ok(1)),
        (7, 0b000_0001, 1, Ok(1)),
        (7, 0b000_0111, 0, Ok(0)),
        (7, 0b000_1111, 0, Err(Danger::NoneNow)),
    ];
    for &(n, dead, leaving, expected) in rows {
        let members = members(n, dead);
        let verdict = removal(&members, &members[leaving].name).map(Count::spare);
        assert_eq!(verdict, expected, "{n} members, dead {dead:b}, {leaving}");
    }
}

#[test]
fn the_dead_leave_first() {
    let five = members(5, 0b10000);
    assert_eq!(order(&five, &["cp1", "cp5"]), ["cp5", "cp1"]);
    // Alone cp1 would be refused; after cp5 it may go.
    assert!(removals(&five, &["cp1"]).is_err());
    assert_eq!(
        removals(&five, &["cp1", "cp5"]).unwrap(),
        Count {
            voters: 3,
            alive: 3
        }
    );
    let all = members(3, 0);
    let refusal = removals(&all, &["cp1", "cp2", "cp3"]).unwrap_err();
    assert!(
        refusal
            .message
            .starts_with("cp3 is not removed: it is the last member")
    );
}

#[test]
fn learners_do_not_vote() {
    let mut four = members(4, 0b0100);
    four[3].voter = false;
    // Three voters, one of them dead: no living voter may go, the learner may.
    assert_eq!(removal(&four, "cp1"), Err(Danger::Lost));
    assert_eq!(
        removal(&four, "cp4"),
        Ok(Count {
            voters: 3,
            alive: 2
        })
    );
    let text = refusal(Danger::Lost, &four, "cp1").message;
    assert!(
        text.ends_with("alive: cp1, cp2; dead: cp3; learner: cp4"),
        "{text}"
    );
}

#[test]
fn a_refusal_shows_the_arithmetic_and_what_to_do() {
    let three = members(3, 0b100);
    let refusal = removals(&three, &["cp1"]).unwrap_err();
    assert_eq!(
        refusal.message,
        "cp1 is not removed: etcd would lose its quorum: now 2 of 3 members alive, 2 needed, then 1 of 2 members alive, 2 needed; \
         alive: cp1, cp2; dead: cp3"
    );
    assert_eq!(
        refusal.hint.as_deref(),
        Some(
            "bring cp3 back first, or remove it first, which makes the others safer: baremetal remove-node INVENTORY cp3"
        )
    );
    let away = absence(&three, "cp1").unwrap_err();
    assert_eq!(
        refusal_of_absence(away, &three, "cp1").message,
        "cp1 is not put into maintenance: etcd would have no quorum while it is away: now 2 of 3 members alive, 2 needed, then 1 of 3 \
         members alive, 2 needed; alive: cp1, cp2; dead: cp3"
    );
}

#[test]
fn the_command_of_a_refusal_can_be_pasted() {
    let five = members(5, 0b11000);
    let refusal = removals(&five, &["cp1"]).unwrap_err();
    let command = ": baremetal remove-node INVENTORY cp4 cp5";
    assert!(
        refusal.hint.as_deref().unwrap().ends_with(command),
        "{refusal:?}"
    );
    let away = absence(&five, "cp1").unwrap_err();
    let hint = refusal_of_absence(away, &five, "cp1").hint.unwrap();
    assert!(hint.ends_with(command), "{hint}");
}
