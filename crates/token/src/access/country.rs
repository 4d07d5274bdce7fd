//! Countries, by their two-letter code.

use std::fmt;
use std::str::FromStr;

/// The codes that ISO 3166-1 assigns, and `XK` (Kosovo), which address databases use.
const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
    MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT \
    PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// The same as a bit for each second letter, in a row for each first one: a country is looked up for every request.
static IS_ASSIGNED: [u32; 26] = assigned_bits();

/// A country's code, as ISO 3166-1 alpha-2 assigns it, in upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CountryCode([u8; 2]);

/// Why a text is not the code of a country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a country code of ISO 3166-1 (two letters, such as `SE`)", .0.escape_debug())]
pub struct CountryError(String);

impl CountryCode {
    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters are ever stored")
    }
}

impl FromStr for CountryCode {
    type Err = CountryError;

    /// Reads a code in either case. A code that is not assigned, such as `UK`, is refused: a rule with it would match
    /// nobody.
    fn from_str(text: &str) -> Result<Self, CountryError> {
        let unknown = || CountryError(text.chars().take(32).collect());
        let code = <[u8; 2]>::try_from(text.as_bytes()).map_err(|_| unknown())?.map(|c| c.to_ascii_uppercase());
        if is_assigned(code) { Ok(Self(code)) } else { Err(unknown()) }
    }
}

fn is_assigned([first, second]: [u8; 2]) -> bool {
    let row = IS_ASSIGNED.get(usize::from(first.wrapping_sub(b'A')));
    second.is_ascii_uppercase() && row.is_some_and(|row| row >> (second - b'A') & 1 == 1)
}

const fn assigned_bits() -> [u32; 26] {
    let mut bits = [0; 26];
    let codes = ASSIGNED.as_bytes();
    let mut at = 0;
    while at < codes.len() {
        if codes[at] == b' ' {
            at += 1;
        } else {
            bits[(codes[at] - b'A') as usize] |= 1 << (codes[at + 1] - b'A');
            at += 2;
        }
    }
    bits
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters_that_are_assigned() {
        let assigned: Vec<&str> = ASSIGNED.split_ascii_whitespace().collect();
        assert_eq!(assigned.len(), 250);
        for first in 'A'..='Z' {
            for second in 'A'..='Z' {
                let code = format!("{first}{second}");
                assert_eq!(code.parse::<CountryCode>().is_ok(), assigned.contains(&&*code), "{code}");
            }
        }
        assert_eq!("se".parse::<CountryCode>().unwrap().as_str(), "SE");
        for text in ["", "S", "USA", "UK", "XX", "T1", "S ", "Ö", "  "] {
            assert!(text.parse::<CountryCode>().is_err(), "{text}");
        }
    }
}
