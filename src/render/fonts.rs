//! The fonts of the report, embedded in its page and thereby in the PDF.
//!
//! IBM Plex, under the SIL Open Font License (`fonts/OFL.txt`), Latin, Greek and Cyrillic. A page so needs no font of the
//! machine that prints it, and looks the same everywhere; only what these fonts lack (other scripts) comes from there. One file
//! per script and weight: the browser takes those that the text needs. Static instances and no variable font, because a
//! variable one reaches a PDF as shapes without names.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const LATIN: &str = "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,U+20AC,\
                     U+2122,U+2191,U+2193,U+2212,U+2215";
const LATIN_EXT: &str = "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+1D00-1DBF,U+1E00-1E9F,U+1EF2-1EFF,\
                         U+2020,U+20A0-20AB,U+20AD-20C0,U+2113,U+2C60-2C7F,U+A720-A7FF";
const GREEK: &str = "U+0370-0377,U+037A-037F,U+0384-038A,U+038C,U+038E-03A1,U+03A3-03FF";
const CYRILLIC: &str = "U+0301,U+0400-045F,U+0490-0491,U+04B0-04B1,U+2116";

struct Face {
    family: &'static str,
    weight: u16,
    range: &'static str,
    file: &'static [u8],
}

macro_rules! face {
    ($family:literal, $weight:literal, $range:expr, $file:literal) => {
        Face {
            family: $family,
            weight: $weight,
            range: $range,
            file: include_bytes!(concat!("fonts/", $file, "-normal.woff2")),
        }
    };
}

const FACES: [Face; 11] = [
    face!("Pack Sans", 400, LATIN, "ibm-plex-sans-latin-400"),
    face!("Pack Sans", 400, LATIN_EXT, "ibm-plex-sans-latin-ext-400"),
    face!("Pack Sans", 400, GREEK, "ibm-plex-sans-greek-400"),
    face!("Pack Sans", 400, CYRILLIC, "ibm-plex-sans-cyrillic-400"),
    face!("Pack Sans", 600, LATIN, "ibm-plex-sans-latin-600"),
    face!("Pack Sans", 600, LATIN_EXT, "ibm-plex-sans-latin-ext-600"),
    face!("Pack Sans", 600, GREEK, "ibm-plex-sans-greek-600"),
    face!("Pack Sans", 600, CYRILLIC, "ibm-plex-sans-cyrillic-600"),
    face!("Pack Mono", 400, LATIN, "ibm-plex-mono-latin-400"),
    face!("Pack Mono", 400, LATIN_EXT, "ibm-plex-mono-latin-ext-400"),
    face!("Pack Mono", 400, CYRILLIC, "ibm-plex-mono-cyrillic-400"),
];

static STYLE: LazyLock<String> = LazyLock::new(|| {
    FACES.iter().fold(String::new(), |mut style, face| {
        let Face { family, weight, range, file } = face;
        let data = BASE64.encode(file);
        writeln!(
            style,
            "@font-face{{font-family:\"{family}\";font-weight:{weight};unicode-range:{range};\
             src:url(data:font/woff2;base64,{data}) format(\"woff2\")}}"
        )
        .expect("writing to a String cannot fail");
        style
    })
});

/// The style rules that bring the fonts along, about 250 KB.
pub(crate) fn style() -> &'static str {
    &STYLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_font_is_a_woff2_file_and_all_of_them_are_small() {
        assert!(FACES.iter().all(|face| face.file.starts_with(b"wOF2")));
        assert!(style().len() < 300_000, "{}", style().len());
    }
}
