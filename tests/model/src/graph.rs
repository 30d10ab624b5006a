//! The strongly connected components of a graph, by Tarjan's algorithm without recursion.

/// A step from one state to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    /// The kind of the step, as a bit, or zero for a step that need never be taken.
    pub(crate) kind: u64,
    /// Whether the step calls the hub or writes to the Kubernetes API.
    pub(crate) acts: bool,
}

const UNVISITED: usize = usize::MAX;

/// The number of each state's component.
pub(crate) fn components(graph: &[Vec<Edge>]) -> Vec<usize> {
    let mut search = Search {
        order: vec![UNVISITED; graph.len()],
        low: vec![0; graph.len()],
        component: vec![UNVISITED; graph.len()],
        stack: Vec::new(),
        next: 0,
        components: 0,
    };
    for root in 0..graph.len() {
        if search.order[root] == UNVISITED {
            search.from(root, graph);
        }
    }
    search.component
}

struct Search {
    order: Vec<usize>,
    low: Vec<usize>,
    component: Vec<usize>,
    stack: Vec<usize>,
    next: usize,
    components: usize,
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
            if self.order[edge.to] == UNVISITED {
                self.enter(edge.to);
                path.push((edge.to, 0));
            } else if self.component[edge.to] == UNVISITED {
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

    /// Takes a component off the stack, where the state is the component's root.
    fn leave(&mut self, at: usize) {
        if self.low[at] != self.order[at] {
            return;
        }
        while let Some(member) = self.stack.pop() {
            self.component[member] = self.components;
            if member == at {
                break;
            }
        }
        self.components += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_one_component_and_its_predecessor_another() {
        let graph: Vec<Vec<Edge>> = [vec![1], vec![2], vec![1, 3], vec![3], vec![0]]
            .into_iter()
            .map(|all| {
                let edge = |to| Edge {
                    to,
                    kind: 0,
                    acts: false,
                };
                all.into_iter().map(edge).collect()
            })
            .collect();
        let component = components(&graph);
        assert_eq!(component[1], component[2]);
        let mut all = component.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4, "{component:?}");
    }
}
