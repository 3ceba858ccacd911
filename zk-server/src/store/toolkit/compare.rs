//! Two snapshots compared (Java: `SnapshotComparer`).

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use super::options::{Spec, parse};
use super::tree::Tree;

pub const HELP: &str = "\
usage: java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer
 -b,--bytes <BYTETHRESHOLD>   (Required) The node data delta size threshold, in bytes, for printing the node.
 -d,--debug                   Use debug output.
 -i,--interactive             Enter interactive mode.
 -l,--left <LEFT>             (Required) The left snapshot file.
 -n,--nodes <NODETHRESHOLD>   (Required) The descendant node delta size threshold, in nodes, for printing the node.
 -r,--right <RIGHT>           (Required) The right snapshot file.";

/// In the order in which Java misses them.
const REQUIRED: [(char, &str); 4] = [
    ('l', "left"),
    ('r', "right"),
    ('b', "bytes"),
    ('n', "nodes"),
];

/// What was asked for.
#[derive(Debug)]
pub struct Comparison {
    pub left: String,
    pub right: String,
    bytes: i64,
    nodes: i64,
    debug: bool,
    interactive: bool,
}

impl Comparison {
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let spec = |short, long, takes_value| Spec {
            short: Some(short),
            long,
            takes_value,
        };
        let mut specs: Vec<_> = REQUIRED.iter().map(|(c, l)| spec(*c, l, true)).collect();
        specs.push(spec('d', "debug", false));
        specs.push(spec('i', "interactive", false));
        let parsed = parse(&specs, args.iter().cloned())?;
        let missing: Vec<_> = REQUIRED
            .iter()
            .filter(|(_, long)| !parsed.has(long))
            .map(|(short, _)| short.to_string())
            .collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            return Err(format!(
                "Missing required option{plural}: {}",
                missing.join(", ")
            ));
        }
        let text = |long| parsed.value(long).unwrap_or_default().to_owned();
        let number = |long| {
            let text = text(long);
            let number: Result<i32, _> = text.parse();
            number
                .map(i64::from)
                .map_err(|_| format!("For input string: \"{text}\""))
        };
        Ok(Self {
            left: text("left"),
            right: text("right"),
            bytes: number("bytes")?,
            nodes: number("nodes")?,
            debug: parsed.has("debug"),
            interactive: parsed.has("interactive"),
        })
    }
}

/// A node with the sums of its subtree; the root's label is empty.
struct Item {
    label: String,
    bytes: i64,
    /// nodes below it
    nodes: i64,
    /// indices of its children, by label
    children: Vec<usize>,
}

struct Side {
    items: Vec<Item>,
    by_label: HashMap<String, usize>,
    /// indices at each depth, by label
    depths: Vec<Vec<usize>>,
}

impl Side {
    fn new(tree: &Tree) -> Self {
        let mut side = Self {
            items: Vec::new(),
            by_label: HashMap::new(),
            depths: Vec::new(),
        };
        // parents first: the sums are made on the way back
        let mut open = vec![(tree.find("/").unwrap_or(0), String::new(), 0, None)];
        let mut parents = Vec::new();
        while let Some((index, label, depth, parent)) = open.pop() {
            let node = tree.node(index);
            let at = side.items.len();
            for child in &node.children {
                let label = format!("{label}/{}", tree.node(*child).name);
                open.push((*child, label, depth + 1, Some(at)));
            }
            if side.depths.len() <= depth {
                side.depths.push(Vec::new());
            }
            side.depths[depth].push(at);
            side.by_label.insert(label.clone(), at);
            side.items.push(Item {
                label,
                bytes: node.data_len() as i64,
                nodes: 0,
                children: Vec::new(),
            });
            parents.push(parent);
        }
        for at in (0..parents.len()).rev() {
            let Some(parent) = parents[at] else { continue };
            let (bytes, nodes) = (side.items[at].bytes, side.items[at].nodes + 1);
            let item = &mut side.items[parent];
            item.bytes += bytes;
            item.nodes += nodes;
            item.children.push(at);
        }
        // Java compares UTF-16 units; so does this.
        let labels: Vec<Vec<u16>> = side
            .items
            .iter()
            .map(|i| i.label.encode_utf16().collect())
            .collect();
        let children = side.items.iter_mut().map(|i| &mut i.children);
        for list in side.depths.iter_mut().chain(children) {
            list.sort_by(|a, b| labels[*a].cmp(&labels[*b]));
        }
        side
    }

    fn print_summary(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Node count: {}", self.items.len())?;
        writeln!(
            out,
            "Total size: {}",
            self.items.first().map_or(0, |i| i.bytes)
        )?;
        writeln!(out, "Max depth: {}", self.depths.len())?;
        for (depth, nodes) in self.depths.iter().enumerate() {
            writeln!(out, "Count of nodes at depth {depth}: {}", nodes.len())?;
        }
        writeln!(out)
    }
}

struct Run<'a> {
    asked: &'a Comparison,
    left: Side,
    right: Side,
}

/// Prints what Java prints, but for the lines that tell how long loading took.
pub fn run(
    asked: &Comparison,
    left: &Tree,
    right: &Tree,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<()> {
    let run = Run {
        asked,
        left: Side::new(left),
        right: Side::new(right),
    };
    run.left.print_summary(out)?;
    run.right.print_summary(out)?;
    let depths = run.left.depths.len().max(run.right.depths.len());
    if asked.interactive {
        run.ask(depths, input, out)?;
    } else {
        run.print_thresholds(out)?;
        for depth in 0..depths {
            run.compare_depth(depth, out)?;
        }
    }
    writeln!(out, "All layers compared.")
}

impl Run<'_> {
    fn print_thresholds(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Printing analysis for nodes difference larger than {} bytes or node count difference \
             larger than {}.",
            self.asked.bytes, self.asked.nodes
        )
    }

    fn ask(&self, depths: usize, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
        let mut depth = 0;
        while depth < depths {
            writeln!(out, "Current depth is {depth}")?;
            writeln!(
                out,
                "- Press enter to move to print current depth layer;\n- Type a number to jump to \
                 and print all nodes at a given depth;\n- Enter an ABSOLUTE path to print the \
                 immediate subtree of a node. Path must start with '/'."
            )?;
            out.flush()?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            self.print_thresholds(out)?;
            if line.is_empty() {
                self.compare_depth(depth, out)?;
                depth += 1;
            } else if line.starts_with('/') {
                writeln!(out, "Analysis for node {line}")?;
                self.compare_children(line, out)?;
            } else {
                match line.parse::<i32>().map(usize::try_from) {
                    Ok(Ok(asked)) if asked < depths => {
                        depth = asked;
                        self.compare_depth(depth, out)?;
                    }
                    Ok(_) => {
                        writeln!(out, "Depth must be in range [0, {}]", depths - 1)?;
                        continue;
                    }
                    Err(_) => writeln!(
                        out,
                        "Input {line} is not valid. Depth must be in range [0, {}]. Path must be \
                         an absolute path which starts with '/'.",
                        depths - 1
                    )?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn compare_depth(&self, depth: usize, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Analysis for depth {depth}")?;
        let at = |side: &Side| side.depths.get(depth).cloned().unwrap_or_default();
        self.compare(&at(&self.left), &at(&self.right), out)
    }

    fn compare_children(&self, path: &str, out: &mut dyn Write) -> io::Result<()> {
        let children = |side: &Side| {
            let index = side.by_label.get(path)?;
            Some(side.items[*index].children.clone())
        };
        match (children(&self.left), children(&self.right)) {
            (None, None) => writeln!(
                out,
                "Path {path} is neither found in left tree nor right tree."
            ),
            (left, right) => {
                self.compare(&left.unwrap_or_default(), &right.unwrap_or_default(), out)
            }
        }
    }

    fn compare(&self, left: &[usize], right: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let order = match (l.peek(), r.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => {
                    let (a, b) = (&self.left.items[**a].label, &self.right.items[**b].label);
                    let order = a.encode_utf16().cmp(b.encode_utf16());
                    if self.asked.debug {
                        writeln!(out, "Comparing {a} to {b}")?;
                        let said = match order {
                            std::cmp::Ordering::Less => "left is less",
                            std::cmp::Ordering::Greater => "right is less",
                            std::cmp::Ordering::Equal => "same",
                        };
                        writeln!(out, "{said}")?;
                    }
                    order
                }
            };
            let a = l.next_if(|_| order.is_le()).map(|i| &self.left.items[*i]);
            let b = r.next_if(|_| order.is_ge()).map(|i| &self.right.items[*i]);
            match (a, b) {
                (Some(a), Some(b)) => self.print_both(a, b, out)?,
                (Some(a), None) => self.print_one(a, "left", out)?,
                (None, Some(b)) => self.print_one(b, "right", out)?,
                (None, None) => return Ok(()),
            }
        }
    }

    fn print_one(&self, item: &Item, side: &str, out: &mut dyn Write) -> io::Result<()> {
        let (label, bytes, nodes) = (&item.label, item.bytes, item.nodes);
        if bytes > self.asked.bytes || nodes > self.asked.nodes {
            writeln!(
                out,
                "Node {label} found only in {side} tree. Descendant size: {bytes}. Descendant \
                 count: {nodes}"
            )
        } else if self.asked.debug || self.asked.interactive {
            writeln!(out, "Filtered {side} node {label} of size {bytes}")
        } else {
            Ok(())
        }
    }

    fn print_both(&self, left: &Item, right: &Item, out: &mut dyn Write) -> io::Result<()> {
        let (bytes, nodes) = (right.bytes - left.bytes, right.nodes - left.nodes);
        let label = &left.label;
        if bytes.abs() > self.asked.bytes || nodes.abs() > self.asked.nodes {
            writeln!(
                out,
                "Node {label} found in both trees. Delta: {bytes} bytes, {nodes} descendants"
            )
        } else if self.asked.debug || self.asked.interactive {
            writeln!(
                out,
                "Filtered node {label} of left size {}, right size {}",
                left.bytes, right.bytes
            )
        } else {
            Ok(())
        }
    }
}
