//! The cluster of the inventory as a picture: endpoint, who holds it, control planes, workers, pools.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    Timeline,
    axis::{at, number},
    chart::state,
};
use crate::report::{Machine, Topology, text::printable};

const WIDTH: f64 = 1240.0;
const BOX: f64 = 148.0;
const TALL: f64 = 46.0;
const GAP: f64 = 14.0;
const PER_ROW: usize = 7;
const LEFT: f64 = 110.0;
/// Between two levels, for the lines that join them.
const BETWEEN: f64 = 46.0;
/// Letters that fit into a box.
const LETTERS: usize = 20;

#[derive(Debug, Default, Serialize)]
pub(super) struct Picture {
    width: String,
    height: String,
    /// In a sentence, for those who do not see it.
    title: String,
    boxes: Vec<Box>,
    lines: Vec<Line>,
    levels: Vec<Level>,
}

#[derive(Debug, Serialize)]
struct Box {
    x: String,
    y: String,
    width: String,
    height: String,
    class: String,
    title: String,
    /// Places and texts of its lines; the first one is its name.
    text_x: String,
    name: String,
    name_y: String,
    detail: String,
    detail_y: String,
}

#[derive(Debug, Serialize)]
struct Line {
    d: String,
    class: &'static str,
}

/// What stands at the left of a row of boxes.
#[derive(Debug, Serialize)]
struct Level {
    name: &'static str,
    y: String,
}

pub(super) fn picture(timeline: &Timeline, topology: &Topology) -> Picture {
    let mut drawing = Drawing {
        timeline,
        picture: Picture::default(),
        y: 10.0,
    };
    let machines = &topology.machines;
    let of = |wanted: fn(&Machine) -> bool| machines.iter().filter(move |one| wanted(one));
    let balancers: Vec<&Machine> = of(|one| one.load_balancer && !one.control_plane).collect();
    let planes: Vec<&Machine> = of(|one| one.control_plane).collect();
    let workers: Vec<&Machine> = of(|one| one.worker && !one.control_plane).collect();
    let endpoint = drawing.endpoint(topology);
    let mut above = vec![endpoint];
    let mut first = true;
    for (name, machines) in [("load balancers", balancers), ("control planes", planes)] {
        if !machines.is_empty() {
            let below = drawing.row(name, &machines, topology);
            let class = if first { "holds" } else { "joins" };
            drawing.join(&above, &below, class);
            (above, first) = (below, false);
        }
    }
    if !workers.is_empty() {
        let below = drawing.row("workers", &workers, topology);
        drawing.join(&above, &below, "joins");
        above = below;
    }
    let below = drawing.pools(topology);
    drawing.join(&above, &below, "serves");
    let count = machines.len();
    let mut picture = drawing.picture;
    picture.title = format!(
        "{count} machines behind {}, {} pools",
        topology.endpoint.address,
        topology.pools.len()
    );
    picture.width = at(WIDTH);
    picture.height = at(drawing.y + 6.0);
    picture
}

/// The middle of a box's upper and lower edge.
type Edges = (f64, f64, f64);

struct Drawing<'a> {
    timeline: &'a Timeline,
    picture: Picture,
    /// Where the next level begins.
    y: f64,
}

impl Drawing<'_> {
    fn endpoint(&mut self, topology: &Topology) -> Edges {
        let endpoint = &topology.endpoint;
        let what = match &endpoint.vip {
            Some(vip) => format!("virtual IP {vip}"),
            None if endpoint.holders.is_empty() => "not installed by baremetal".to_owned(),
            None => String::new(),
        };
        self.level("API");
        let wide = BOX * 2.0 + GAP;
        let edges = self.add((LEFT, wide), [&endpoint.address, &what], "endpoint", &what);
        self.y += TALL + BETWEEN;
        edges
    }

    fn level(&mut self, name: &'static str) {
        let y = at(self.y + TALL / 2.0 + 4.0);
        self.picture.levels.push(Level { name, y });
    }

    fn row(
        &mut self,
        name: &'static str,
        machines: &[&Machine],
        topology: &Topology,
    ) -> Vec<Edges> {
        self.level(name);
        let mut edges = Vec::new();
        for (index, machine) in machines.iter().enumerate() {
            if index > 0 && index % PER_ROW == 0 {
                self.y += TALL + GAP;
            }
            let x = LEFT + number(index % PER_ROW) * (BOX + GAP);
            let edge = self.machine(x, machine, topology);
            // Lines go to the first row alone: further rows stand behind it.
            if index < PER_ROW {
                edges.push(edge);
            }
        }
        self.y += TALL + BETWEEN;
        edges
    }

    fn machine(&mut self, x: f64, machine: &Machine, topology: &Topology) -> Edges {
        let holds = topology.endpoint.holders.contains(&machine.name);
        let mut roles = Vec::new();
        if machine.control_plane {
            roles.push("control plane");
        }
        if machine.worker {
            roles.push("worker");
        }
        if machine.load_balancer {
            roles.push("load balancer");
        }
        if holds {
            roles.push("may hold the virtual IP");
        }
        let mut title = format!("{} {}: {}", machine.name, machine.address, roles.join(", "));
        if !machine.groups.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(title, "; groups {}", machine.groups.join(", "));
        }
        let kind = match (machine.control_plane, machine.worker) {
            (true, true) => "plane both",
            (true, false) => "plane",
            (false, true) => "worker",
            (false, false) => "balancer",
        };
        let class = format!("{kind} {}", state(self.timeline, &machine.name));
        self.add((x, BOX), [&machine.name, &machine.address], &class, &title)
    }

    /// A box from `x` on, `width` wide, with a name and a detail in it.
    fn add(
        &mut self,
        (x, width): (f64, f64),
        [name, detail]: [&str; 2],
        class: &str,
        title: &str,
    ) -> Edges {
        let letters = if width > BOX { LETTERS * 2 } else { LETTERS };
        self.picture.boxes.push(Box {
            x: at(x),
            y: at(self.y),
            width: at(width),
            height: at(TALL),
            class: class.trim_end().to_owned(),
            title: printable(title),
            text_x: at(x + 10.0),
            name: short(name, letters),
            name_y: at(self.y + 19.0),
            detail: short(detail, letters + 2),
            detail_y: at(self.y + 36.0),
        });
        (x + width / 2.0, self.y, self.y + TALL)
    }

    /// A line from every box of a level to every box of the next, over a rail between them.
    fn join(&mut self, above: &[Edges], below: &[Edges], class: &'static str) {
        let (Some(first), Some(next)) = (above.first(), below.first()) else {
            return;
        };
        let rail = next.1 - BETWEEN / 2.0;
        let all = || above.iter().chain(below).map(|edges| edges.0);
        let (left, right) = (
            all().fold(f64::INFINITY, f64::min),
            all().fold(f64::NEG_INFINITY, f64::max),
        );
        let mut d = format!("M {} {} H {}", at(left), at(rail), at(right));
        for (x, ..) in above {
            let _ = write!(d, " M {} {} V {}", at(*x), at(first.2), at(rail));
        }
        for (x, top, _) in below {
            let _ = write!(d, " M {} {} V {}", at(*x), at(rail), at(*top));
        }
        self.picture.lines.push(Line { d, class });
    }

    /// Addresses of Services, below everything that announces them.
    fn pools(&mut self, topology: &Topology) -> Vec<Edges> {
        let mut edges = Vec::new();
        if topology.pools.is_empty() && topology.peers.is_empty() {
            self.y -= BETWEEN - GAP;
            return edges;
        }
        self.level("Services");
        let wide = BOX * 2.0 + GAP;
        let (mut column, mut first) = (0, true);
        let pools = topology.pools.iter().map(|pool| {
            let ways: Vec<&str> = [(pool.l2, "L2"), (pool.bgp, "BGP")]
                .into_iter()
                .filter_map(|(is, name)| is.then_some(name))
                .collect();
            let name = format!("pool {} ({})", pool.name, ways.join(", "));
            (name, pool.addresses.join(", "), "pool")
        });
        let peers = topology.peers.iter().map(|peer| {
            let name = format!("BGP peer {}", peer.name);
            (name, format!("{}, AS {}", peer.address, peer.asn), "peer")
        });
        for (name, detail, class) in pools.chain(peers) {
            if column == 3 {
                (column, first) = (0, false);
                self.y += TALL + GAP;
            }
            let x = LEFT + number(column) * (wide + GAP);
            let title = format!("{name}: {detail}");
            let edge = self.add((x, wide), [&name, &detail], class, &title);
            if first {
                edges.push(edge);
            }
            column += 1;
        }
        self.y += TALL + GAP;
        edges
    }
}

fn short(text: &str, letters: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= letters {
        return text;
    }
    let cut: String = text.chars().take(letters - 1).collect();
    format!("{cut}…")
}
