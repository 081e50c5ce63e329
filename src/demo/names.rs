//! What nodes are called and what people write: the colour of the demo.

use super::{random::Random, routes::Language, routes::RouteKind};

/// What stands at the end of a fixed node's name, after its quarter.
pub(super) fn suffixes(language: Language) -> &'static [&'static str] {
    match language {
        Language::German => &[
            "Dach",
            "Balkon",
            "Solar",
            "Garten",
            "Fenster",
            "Basis",
            "Dachboden",
            "Küche",
            "Mast",
            "Gästehaus",
        ],
        Language::French => {
            &["toit", "balcon", "solaire", "jardin", "fenêtre", "grenier", "base", "chalet", "été"]
        }
        Language::Dutch => {
            &["dak", "balkon", "zolder", "tuin", "raam", "zonnepaneel", "schuur", "basis", "kelder"]
        }
    }
}

/// What a router or gateway is called, after its quarter.
pub(super) fn relays(language: Language) -> &'static [&'static str] {
    match language {
        Language::German => &["Repeater", "Turm", "Gateway", "Höhe", "Hochhaus"],
        Language::French => &["relais", "tour", "passerelle", "château d'eau"],
        Language::Dutch => &["toren", "gateway", "flat", "watertoren"],
    }
}

/// What a sensor is called, after its quarter.
pub(super) fn sensors(language: Language) -> &'static [&'static str] {
    match language {
        Language::German => &["Wetter", "Pegel", "Feinstaub", "Gewächshaus"],
        Language::French => &["météo", "air", "capteur", "serre"],
        Language::Dutch => &["weerstation", "fijnstof", "sensor", "kas"],
    }
}

/// Names as people choose them, with their short names. One holds markup: names are text.
pub(super) const CHOSEN: &[(&str, &str)] = &[
    ("<b>Bold</b> & <i>Brave</i>", "<b>"),
    ("Київ на Рейні", "КВ"),
    ("Бабушкина дача", "ДЧ"),
    ("🦊 Fuchsbau", "🦊"),
    ("☀️ Sonnenkönig", "SOL"),
    ("Zoë’s tuinhuis", "ZOË"),
    ("Łódź w Kolonii", "ŁÓ"),
    ("Ελένη & Νίκος", "ΕΝ"),
    ("東京っ子", "東"),
    ("Fröhliche Grüße 🥨", "🥨"),
    ("L'Œuf cœur 🐣", "ŒUF"),
    ("Don't panic", "42"),
    ("🐌 langsam aber da", "🐌"),
    ("İstanbul köşesi", "İST"),
    ("ß-Funker Süd", "ß"),
    ("'t IJ-vogeltje", "IJV"),
];

/// What a traveller is called.
pub(super) fn traveller(kind: RouteKind) -> &'static [&'static str] {
    match kind {
        RouteKind::River => &[
            "MS Undine",
            "MTS Rheinperle",
            "Vrouwe Johanna",
            "De Hoop",
            "MS Lorelei",
            "Helvetia III",
            "Zuidwester",
            "MS Nibelung",
            "La Belle Alsace",
            "Twee Gebroeders",
            "MS Drachenfels",
            "Martinshorn",
            "Avontuur",
            "MS Mäuseturm",
            "Le Gaulois",
            "Stella Maris",
            "Nooit Gedacht",
            "MS Vater Rhein",
            "Köbes",
            "Waterlelie",
            "MS Grünewald",
            "Cigogne",
        ],
        RouteKind::Ferry => &["Fähre Seehas", "MS Bodan", "Fähre Lädine", "MS Möwe"],
        RouteKind::Road => &[
            "Jürgens Bulli",
            "Kurier",
            "Özlem mobil",
            "Camion bleu",
            "Bestelbus XL",
            "Wohnmobil Trude",
            "LKW Gouda",
            "Pendler 61",
            "Taxi Müller",
            "Busje Sjoerd",
            "Fernfahrer Zoltán",
            "Cabrio Inès",
            "Bücherbus",
            "Umzug Süd",
            "Der rote Käfer",
            "Camionnette",
        ],
        RouteKind::Rail => &["IRE Funkloch", "RE 5 Fensterplatz", "Güterzug Gotthard", "RB 26 Ost"],
        RouteKind::Street => {
            &["Straßenbahn", "Linie 5", "Le tram", "RET-tram", "Stadtbus", "Ringbahn"]
        }
        RouteKind::Cycleway => &[
            "Radlerin Änne",
            "Fietser Joost",
            "Lastenrad Böll",
            "Vélo Hélène",
            "E-Bike Opa",
            "Rennrad",
        ],
        RouteKind::Path => &["Wanderer Björn", "Rucksack Zoé", "Pfadfinder", "Geocacher Ünal"],
    }
}

const PHRASES: &[&str] = &[
    "Guten Morgen zusammen!",
    "Moin, wer hört mich am Niederrhein?",
    "QSL, 3 hops, SNR 6.5. Danke!",
    "Bonjour à tous depuis l'Alsace",
    "Goedemorgen! Iemand wakker in Arnhem?",
    "Test, test",
    "Neue Antenne auf dem Dach, bitte um Rapport",
    "Reçu 5/5 à Strasbourg, merci",
    "Ontvangen in Utrecht, 4 hops. Mooi!",
    "Regen über Köln, Solar macht Pause",
    "Schleuse Iffezheim: 20 Minuten Wartezeit",
    "Wir legen gleich in Koblenz ab ⛴️",
    "Stau auf der A3 bei Montabaur, besser umfahren",
    "Wie weit kommt ihr mit LongFast?",
    "Quelqu'un voit le relais du Feldberg ?",
    "Gruß vom Drachenfels, Sicht bis zum Dom",
    "Heeft iemand een RAK over?",
    "Привіт із Кельна!",
    "Akku bei 15 %, ich melde mich später",
    "<script>alert('just text')</script>",
    "Treffen heute um 19 Uhr am Biergarten 🍻",
    "Gefunden! Der Cache liegt unter der Brücke",
    "De wind trekt aan bij Dordrecht",
    "Bonne route, la batellerie !",
    "73 aus Mannheim",
    "Nebel auf dem Bodensee, Fähre fährt mit Radar",
    "Zug hat +12, Anschluss wartet nicht",
    "Wer betreibt den Repeater in Bingen? Danke dafür!",
    "Firmware ist aktuell, alles läuft",
    "👍",
];

/// Something that somebody writes to everybody.
pub(super) fn phrase(random: &mut Random) -> &'static str {
    PHRASES[random.below(PHRASES.len())]
}

/// What is marked on the map: name, description and a picture's code point.
pub(super) const WAYPOINTS: &[(&str, &str, char)] = &[
    ("Mesh-Treffen", "Jeden ersten Freitag, 19 Uhr", '🍻'),
    ("Trinkwasser", "Brunnen, auch im Winter offen", '🚰'),
    ("Bon spot radio", "Vue dégagée, 40 km au moins", '📡'),
    ("Pontje", "Vaart tot 20:00", '⛴'),
    ("Baustelle", "Radweg gesperrt", '🚧'),
];

/// The short name of `long`: its first letters and two digits, at most four bytes as radios send.
pub(super) fn short_name(long: &str, random: &mut Random) -> Box<str> {
    let letters = long.chars().filter(|letter| letter.is_alphanumeric()).take(2);
    let letters: String = letters.flat_map(char::to_uppercase).collect();
    let digits = if letters.len() <= 2 { random.below(90) + 10 } else { random.below(10) };
    let mut name = format!("{letters}{digits}");
    while name.len() > 4 {
        name.pop();
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_fit_into_four_bytes() {
        let mut random = Random::of(3, 0);
        for long in ["Köln Dach", "Ö", "Ä Ö", "ßß", "日本", "", "A"] {
            let short = short_name(long, &mut random);
            assert!((1..=4).contains(&short.len()), "{short:?} of {long:?}");
        }
    }
}
