//! What a run that is over held on its device goes back, so that another one may follow it.
use super::stages::Stage;
use super::trainer::Trainer;
use crate::ops::Ops;

impl<O: Ops> Trainer<'_, O> {
    /// Frees every buffer of the run.
    pub(super) fn release(self) {
        let ops = self.ops;
        match self.stage {
            Stage::Select(net, selector) => {
                net.release(ops);
                selector.release(ops);
            }
            Stage::Panel(panel) => panel.release(ops),
        }
        if let Some(products) = self.products {
            products.release(ops);
        }
        if let Some(feed) = self.feed {
            feed.release(ops);
        }
        self.pass.cells.release(ops);
        let (targets, judged) = (self.pass.targets.words, self.pass.judged.words);
        let words = [targets, judged, self.pass.tile, self.rows];
        words.into_iter().for_each(|b| ops.release_u(b));
        let floats = [self.pass.scales, self.pass.spare, self.scales, self.losses];
        floats.into_iter().for_each(|b| ops.release_f(b));
    }
}
