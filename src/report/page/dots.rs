//! The dot plot of classes and genes, as scanpy draws it: the size of a dot is the share of the class's cells
//! that detect the gene, its colour the mean over them.
use super::canvas::{Drawn, Pen, Sheet, TEXT, cut, sheet, width_of};
use super::data::{Class, Gene};
use super::palette::{DIM, INK, STEPS, step, step_of};
use super::words::{figure, name, percent, plain, several};
use super::writer::Writer;

/// Pixels between two dots, and of the largest one's radius.
const CELL: f64 = 21.0;
const RADIUS: f64 = 9.0;
/// Genes in one plot, and most dots of all plots together: the page stays small.
const GENES: usize = 40;
const DOTS: usize = 6_000;
/// Letters of a name, at most.
const LETTERS: usize = 26;
const LETTERS_OF_GENE: usize = 18;
/// Pixels for the legend.
const LEGEND: f64 = 120.0;

/// Writes the plots of one task.
pub(super) fn write(w: &mut Writer, task: &str, genes: &[Gene], classes: &[Class]) -> Drawn {
    let most = (DOTS / classes.len().max(1)).max(GENES);
    let mut order: Vec<usize> = (0..genes.len().min(most)).collect();
    // genes of one class stand together, in the order of the classes, so that they make a diagonal
    order.sort_by_key(|&g| (best(classes, g), g));
    let top = classes.iter().flat_map(|c| &c.mean).flatten();
    let top = top.fold(0.0f64, |a, b| a.max(*b));
    w.paragraph(
        "The larger a dot, the more cells of the class detect the gene. The darker (on a dark screen: the brighter) \
         it is, the higher the gene’s mean in the class. Genes stand beside the class that they tell best. Means are \
         of training cells, in the values that the network reads.",
    );
    if genes.len() > most {
        w.note(&format!(
            "The first {most} genes by rank are shown; explanations.csv in the folder of the run has all of them."
        ));
    }
    let parts = order.len().div_ceil(GENES);
    for (i, part) in order.chunks(GENES).enumerate() {
        let drawing = draw(part, genes, classes, top)?;
        let which = if parts > 1 {
            format!(", part {} of {parts}", i + 1)
        } else {
            String::new()
        };
        let title = format!("Dot plot of {}{which}", plain(task));
        let caption = format!(
            "{} in {} of {}{which}.",
            several(part.len(), "gene", "genes"),
            several(classes.len(), "class", "classes"),
            name(task)
        );
        w.plot(
            &drawing,
            true,
            &title,
            &words(part, genes, classes),
            &caption,
        )?;
    }
    Ok(())
}

/// The class that has more of the gene than the others, most clearly.
fn best(classes: &[Class], gene: usize) -> usize {
    let auroc = |c: usize| classes[c].auroc[gene].unwrap_or(0.0);
    (0..classes.len()).fold(0, |b, c| if auroc(c) > auroc(b) { c } else { b })
}

fn draw(part: &[usize], genes: &[Gene], classes: &[Class], top: f64) -> Drawn<Sheet> {
    let rows: Vec<String> = classes.iter().map(|c| cut(&c.name, LETTERS)).collect();
    let columns: Vec<String> = part
        .iter()
        .map(|&g| cut(&genes[g].gene, LETTERS_OF_GENE))
        .collect();
    let longest = |all: &[String]| all.iter().map(|n| width_of(n, TEXT)).fold(0.0, f64::max);
    let left = longest(&rows) + 16.0;
    let below = longest(&columns) + 16.0;
    let (right, bottom) = (
        left + CELL * part.len() as f64,
        6.0 + CELL * classes.len() as f64,
    );
    let height = (bottom + below).max(250.0);
    sheet(right + LEGEND, height, |pen| {
        for (r, (class, label)) in classes.iter().zip(&rows).enumerate() {
            let y = 6.0 + CELL * (r as f64 + 0.5);
            pen.text(label, (left - 8.0, y), 1, TEXT, INK)?;
            for (c, &gene) in part.iter().enumerate() {
                let x = left + CELL * (c as f64 + 0.5);
                let (mean, share) = (class.mean[gene], class.detected[gene].unwrap_or(0.0));
                // a dot of no cells is none
                if let Some(mean) = mean.filter(|_| share > 0.0) {
                    pen.circle((x, y), RADIUS * share.sqrt(), step(step_of(mean / top)))?;
                }
            }
        }
        for (c, label) in columns.iter().enumerate() {
            let x = left + CELL * (c as f64 + 0.5);
            pen.upwards(label, (x, bottom + 8.0), 1, TEXT, INK)?;
        }
        pen.line(&[(left, 6.0), (left, bottom), (right, bottom)], DIM, 1.0)?;
        legend(pen, right + 24.0, top)
    })
}

fn legend(pen: &Pen, x: f64, top: f64) -> Drawn {
    pen.text("cells that", (x, 12.0), -1, TEXT - 1.0, INK)?;
    pen.text("detect it", (x, 27.0), -1, TEXT - 1.0, INK)?;
    for (i, share) in [0.1, 0.25, 0.5, 1.0].into_iter().enumerate() {
        let y = 49.0 + 21.0 * i as f64;
        pen.circle((x + 9.0, y), RADIUS * f64::sqrt(share), step(STEPS / 2))?;
        pen.text(
            &format!("{:.0} %", 100.0 * share),
            (x + 26.0, y),
            -1,
            TEXT - 1.0,
            DIM,
        )?;
    }
    pen.text("mean", (x, 144.0), -1, TEXT - 1.0, INK)?;
    for i in 0..STEPS {
        let y = 158.0 + 7.0 * (STEPS - 1 - i) as f64;
        pen.rectangle((x, y), (x + 18.0, y + 7.0), step(i))?;
    }
    let ends = [(top, 161.0), (top / 2.0, 196.0), (0.0, 231.0)];
    for (value, y) in ends {
        pen.text(&figure(value), (x + 26.0, y), -1, TEXT - 1.0, DIM)?;
    }
    Ok(())
}

/// The plot in words: of each class, the genes that are highest in it.
fn words(part: &[usize], genes: &[Gene], classes: &[Class]) -> String {
    let mut text = "Rows are classes, columns genes. ".to_owned();
    for (c, class) in classes.iter().enumerate() {
        let mut own: Vec<usize> = part
            .iter()
            .copied()
            .filter(|&g| best(classes, g) == c)
            .collect();
        let auroc = |g: usize| class.auroc[g].unwrap_or(0.0);
        own.sort_by(|&a, &b| auroc(b).total_cmp(&auroc(a)));
        if own.is_empty() {
            continue;
        }
        let described: Vec<String> = own
            .iter()
            .take(3)
            .map(|&g| {
                format!(
                    "{} (in {} of cells, mean {})",
                    plain(&genes[g].gene),
                    percent(class.detected[g].unwrap_or(f64::NAN)),
                    figure(class.mean[g].unwrap_or(f64::NAN))
                )
            })
            .collect();
        text += &format!(
            "Highest in {}: {}. ",
            plain(&class.name),
            described.join(", ")
        );
    }
    text
}
