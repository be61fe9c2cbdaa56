//! Which of a few known words a misspelt one was meant to be.

/// The word that takes the fewest single-letter changes, if that is few enough to be a slip.
pub(super) fn nearest<'a>(meant: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 32;
    if meant.len() > LONGEST {
        return None;
    }
    let lower = meant.to_lowercase();
    known
        .iter()
        .map(|word| (distance(&lower, word), *word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .map(|(_, word)| word)
}

/// Levenshtein's distance, by bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["subscribe", "unsubscribe", "publish", "ping"];
        assert_eq!(nearest("subscrib", &known), Some("subscribe"));
        assert_eq!(nearest("Publsih", &known), Some("publish"));
        assert_eq!(nearest("teleport", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest(&"x".repeat(10_000), &known), None);
    }
}
