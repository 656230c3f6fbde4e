//! Huffman codes of limited length in the canonical form of RFC 1951, 3.2.2.

/// More symbols than any alphabet of deflate has.
const MOST: usize = 288;

/// Lengths of a complete code for `counts`, none above `limit`. Symbols that do not occur get
/// length 0; but two symbols always have a code, for a lone code would not be complete and some
/// decoders refuse it (RFC 1951, 3.2.7).
pub(super) fn lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    let mut used: Vec<(u32, usize)> = counts
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(symbol, n)| (*n, symbol))
        .collect();
    for (symbol, count) in counts.iter().enumerate().take(2) {
        if used.len() < 2 && *count == 0 {
            used.push((1, symbol));
        }
    }
    used.sort_unstable();
    let mut per_length = limited(&depths(&used), limit);
    let mut lengths = [0; N];
    // The rarest symbols get the longest codes.
    let mut length = limit;
    for (_, symbol) in used {
        while per_length[length] == 0 {
            length -= 1;
        }
        per_length[length] -= 1;
        lengths[symbol] = u8::try_from(length).expect("the limit is 15 at most");
    }
    lengths
}

/// How many of the symbols lie at each depth of Huffman's tree. The symbols come rarest first, so the
/// two lightest nodes are always at the heads of two queues: symbols, and pairs made so far.
fn depths(used: &[(u32, usize)]) -> [u32; MOST] {
    let leaves = used.len();
    let nodes = 2 * leaves - 1;
    let mut weight = [0_u32; 2 * MOST];
    let mut parent = [0_usize; 2 * MOST];
    for (place, (count, _)) in weight.iter_mut().zip(used) {
        *place = *count;
    }
    let (mut leaf, mut pair) = (0, leaves);
    for made in leaves..nodes {
        for _ in 0..2 {
            let lightest = if leaf < leaves && (pair == made || weight[leaf] <= weight[pair]) {
                &mut leaf
            } else {
                &mut pair
            };
            weight[made] += weight[*lightest];
            parent[*lightest] = made;
            *lightest += 1;
        }
    }
    let mut depth = [0_usize; 2 * MOST];
    let mut at_depth = [0; MOST];
    for node in (0..nodes - 1).rev() {
        depth[node] = depth[parent[node]] + 1;
        if node < leaves {
            at_depth[depth[node]] += 1;
        }
    }
    at_depth
}

/// Brings codes above `limit` down to it, then makes room by lengthening shorter ones, until the
/// code is complete again: each step takes one code from the limit and hangs it beside a shorter one.
fn limited(at_depth: &[u32; MOST], limit: usize) -> [u32; 16] {
    let mut per_length = [0; 16];
    for (depth, count) in at_depth.iter().enumerate() {
        per_length[depth.min(limit)] += count;
    }
    let taken: u32 = (1..=limit).map(|length| per_length[length] << (limit - length)).sum();
    for _ in (1_u32 << limit)..taken {
        let shorter = (1..limit).rev().find(|length| per_length[*length] > 0);
        let shorter = shorter.expect("an overfull code has codes below the limit");
        per_length[limit] -= 1;
        per_length[shorter] -= 1;
        per_length[shorter + 1] += 2;
    }
    per_length
}

/// The codes that belong to `lengths`, each with its first bit lowest, as it is sent.
pub(super) fn codes<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut per_length = [0_u16; 16];
    for length in lengths.iter().filter(|length| **length > 0) {
        per_length[usize::from(*length)] += 1;
    }
    let mut next = [0_u16; 16];
    for length in 1..16 {
        // A complete code overflows sixteen bits only past its last code, where nothing is read.
        next[length] = next[length - 1].wrapping_add(per_length[length - 1]).wrapping_shl(1);
    }
    let mut codes = [0; N];
    for (code, length) in codes.iter_mut().zip(lengths) {
        if *length > 0 {
            let place = &mut next[usize::from(*length)];
            *code = place.reverse_bits() >> (16 - *length);
            *place = place.wrapping_add(1);
        }
    }
    codes
}
