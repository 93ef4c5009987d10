//! The packed form against the matrix it was made from.
use super::*;
use half::f16;
use yoto_gpu::data::packed::{Packed, pack, quantise, unpack};
use yoto_gpu::ops::BLOCK;

/// 41 cells x 100 genes, some cells empty, values that f16 holds.
fn matrix() -> Vec<Vec<f32>> {
    (0..41usize)
        .map(|i| {
            (0..100usize)
                .map(|j| {
                    let there = i % 5 != 0 && (i * 31 + j * 17) % 7 < 2;
                    if there {
                        ((i + j) % 50) as f32 / 8.0 + 0.125
                    } else {
                        0.0
                    }
                })
                .collect()
        })
        .collect()
}

fn unpacked(p: &Packed) -> Vec<Vec<f32>> {
    (0..p.n_cells)
        .map(|c| {
            let mut row = vec![0.0; p.n_genes];
            for (g, v) in p.cell(c).iter().map(|e| unpack(*e)) {
                row[g] = v;
            }
            row
        })
        .collect()
}

#[test]
fn packed_cells_are_the_rows() {
    let rows = matrix();
    let x = sparse(&rows);
    let all: Vec<u32> = (0..100).collect();
    let order: Vec<u32> = (0..41).rev().collect();
    let wanted: Vec<Vec<f32>> = rows.iter().rev().cloned().collect();
    for page_words in [1, 5, 40, 64, 200, 1 << 20] {
        let p = Packed::new(&x, &order, &all, 100, page_words, |_, v| v);
        assert_eq!((p.n_cells, p.n_genes, p.n_blocks), (41, 100, 4));
        assert_eq!(unpacked(&p), wanted, "pages of {page_words}");
        assert_eq!(p.pages.len() > 1, page_words < 1 << 20);
        let mut next = 0;
        for page in &p.pages {
            assert_eq!(page.first_cell, next);
            next += page.n_cells;
            assert_eq!(page.blocks.len(), page.n_cells * (p.n_blocks + 1));
            assert!(page.n_cells == 1 || page.entries.len().max(page.blocks.len()) <= page_words);
        }
        assert_eq!(next, 41);
    }
    let p = Packed::new(&x, &order, &all, 100, 64, |_, v| v * 2.0);
    assert_ne!(unpacked(&p), wanted, "the comparison can fail");
}

#[test]
fn block_pointers_bound_their_genes() {
    let x = sparse(&matrix());
    let rows: Vec<u32> = (0..41).collect();
    let all: Vec<u32> = (0..100).collect();
    let p = Packed::new(&x, &rows, &all, 100, 150, |_, v| v);
    let mut seen = 0;
    for page in &p.pages {
        for blocks in page.blocks.chunks(p.n_blocks + 1) {
            for (j, w) in blocks.windows(2).enumerate() {
                for e in &page.entries[w[0] as usize..w[1] as usize] {
                    assert_eq!(unpack(*e).0 / BLOCK, j);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, x.nnz());
}

#[test]
fn columns_can_be_dropped() {
    let rows = matrix();
    let mut column_of = vec![u32::MAX; 100];
    for (gene, column) in (0..100).step_by(3).enumerate() {
        column_of[column] = gene as u32;
    }
    let p = Packed::new(
        &sparse(&rows),
        &[7, 5, 7],
        &column_of,
        34,
        1 << 20,
        |_, v| v,
    );
    let wanted = |i: usize| -> Vec<f32> { rows[i].iter().step_by(3).copied().collect() };
    assert_eq!(unpacked(&p), [wanted(7), wanted(5), wanted(7)]);
}

#[test]
fn f16_is_rounded_to_even_and_never_subnormal() {
    let smallest = 6.103_515_6e-5_f32;
    assert_eq!(quantise(smallest).to_f32(), smallest);
    assert_eq!(quantise(smallest * 0.99), f16::ZERO);
    assert_eq!(quantise(0.0), f16::ZERO);
    assert_eq!(quantise(2049.0).to_f32(), 2048.0);
    assert_eq!(quantise(2051.0).to_f32(), 2052.0);
    assert_eq!(quantise(65504.0).to_f32(), 65504.0);
    let mut normal = 0;
    for bits in 0..=u16::MAX {
        let h = f16::from_bits(bits);
        if h.is_normal() {
            normal += 1;
            let (gene, value) = unpack(pack(u32::from(bits) ^ 0x5a5a, h));
            assert_eq!(gene as u32, u32::from(bits) ^ 0x5a5a);
            assert_eq!(value.to_bits(), h.to_f32().to_bits());
        }
    }
    assert_eq!(normal, 2 * 30 * 1024);
}
