//! Strongly connected parts of a graph, by Tarjan's algorithm without recursion.

/// A step from one state to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    /// Its kind, as a bit; zero for one that need never be taken.
    pub(crate) kind: u64,
    /// Something was called or written.
    pub(crate) noisy: bool,
}

const UNSEEN: usize = usize::MAX;

/// The number of the part that each state is in.
pub(crate) fn parts(graph: &[Vec<Edge>]) -> Vec<usize> {
    let mut search = Search {
        order: vec![UNSEEN; graph.len()],
        low: vec![0; graph.len()],
        part: vec![UNSEEN; graph.len()],
        stack: Vec::new(),
        next: 0,
        parts: 0,
    };
    for root in 0..graph.len() {
        if search.order[root] == UNSEEN {
            search.from(root, graph);
        }
    }
    search.part
}

struct Search {
    order: Vec<usize>,
    low: Vec<usize>,
    part: Vec<usize>,
    stack: Vec<usize>,
    next: usize,
    parts: usize,
}

impl Search {
    fn from(&mut self, root: usize, graph: &[Vec<Edge>]) {
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((at, taken)) = path.last_mut() {
            let at = *at;
            let Some(edge) = graph[at].get(*taken) else {
                path.pop();
                self.leave(at);
                if let Some((before, _)) = path.last() {
                    self.low[*before] = self.low[*before].min(self.low[at]);
                }
                continue;
            };
            *taken += 1;
            if self.order[edge.to] == UNSEEN {
                self.enter(edge.to);
                path.push((edge.to, 0));
            } else if self.part[edge.to] == UNSEEN {
                self.low[at] = self.low[at].min(self.order[edge.to]);
            }
        }
    }

    fn enter(&mut self, at: usize) {
        self.order[at] = self.next;
        self.low[at] = self.next;
        self.next += 1;
        self.stack.push(at);
    }

    /// The root of a part takes the part off the stack.
    fn leave(&mut self, at: usize) {
        if self.low[at] != self.order[at] {
            return;
        }
        while let Some(member) = self.stack.pop() {
            self.part[member] = self.parts;
            if member == at {
                break;
            }
        }
        self.parts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_one_part_and_what_leads_to_it_another() {
        let graph: Vec<Vec<Edge>> = [vec![1], vec![2], vec![1, 3], vec![3], vec![0]]
            .into_iter()
            .map(|all| {
                let edge = |to| Edge {
                    to,
                    kind: 0,
                    noisy: false,
                };
                all.into_iter().map(edge).collect()
            })
            .collect();
        let part = parts(&graph);
        assert_eq!(part[1], part[2]);
        let mut all = part.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4, "{part:?}");
    }
}
