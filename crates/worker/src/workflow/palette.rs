//! Palettes of the visualization blocks.
//! Not here: which of a detection's numbers picks the colour.

use framewire_media::Bgr;

use super::colormaps::{CONTINUOUS, DISTINCT};

/// Names a `color_palette` may have.
pub(crate) const NAMES: &[&str] = &[
    "DEFAULT",
    "ROBOFLOW",
    "CUSTOM",
    "Matplotlib Viridis",
    "Matplotlib Plasma",
    "Matplotlib Inferno",
    "Matplotlib Magma",
    "Matplotlib Cividis",
    "Matplotlib Pastel1",
    "Matplotlib Pastel2",
    "Matplotlib Paired",
    "Matplotlib Accent",
    "Matplotlib Dark2",
    "Matplotlib Set1",
    "Matplotlib Set2",
    "Matplotlib Set3",
    "Matplotlib Tab10",
    "Matplotlib Tab20",
    "Matplotlib Tab20b",
    "Matplotlib Tab20c",
];

/// Most colours of one palette.
pub(crate) const MAX_SIZE: usize = 1024;

const DEFAULT: [u32; 21] = [
    0xa351fb, 0xff4040, 0xffa1a0, 0xff7633, 0xffb633, 0xd1d435, 0x4cfb12, 0x94cf1a, 0x40de8a,
    0x1b9640, 0x00d6c1, 0x2e9caa, 0x00c4ff, 0x364797, 0x6675ff, 0x0019ef, 0x863aff, 0x530087,
    0xcd3aff, 0xff97ca, 0xff39c9,
];
const ROBOFLOW: [u32; 6] = [0xc28dfc, 0xa351fb, 0x8315f9, 0x6706ce, 0x5905b3, 0x4d049a];

/// A list of colours, at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Palette(Vec<Bgr>);

impl Palette {
    /// `size` counts for the Matplotlib palettes only, `custom` for `CUSTOM` only.
    pub(crate) fn new(name: &str, size: i64, custom: &[&str]) -> Result<Self, String> {
        let colors: Vec<Bgr> = match name {
            "DEFAULT" => DEFAULT.iter().copied().map(Bgr::from_rgb).collect(),
            "ROBOFLOW" => ROBOFLOW.iter().copied().map(Bgr::from_rgb).collect(),
            "CUSTOM" => custom
                .iter()
                .map(|text| {
                    text.parse()
                        .map_err(|e: framewire_media::ParseColorError| e.to_string())
                })
                .collect::<Result<_, _>>()?,
            _ => {
                let size = usize::try_from(size).unwrap_or(0).clamp(1, MAX_SIZE);
                sampled(name.strip_prefix("Matplotlib ").unwrap_or(name), size)
                    .ok_or_else(|| format!("there is no colour palette `{name}`"))?
            }
        };
        if colors.is_empty() {
            return Err("the palette CUSTOM needs `custom_colors`".into());
        }
        Ok(Self(colors))
    }

    /// The colour of an index, around again after the last.
    pub(crate) fn pick(&self, index: usize) -> Bgr {
        self.0[index % self.0.len()]
    }
}

/// `size` colours spread evenly over a map, first and last included.
fn sampled(name: &str, size: usize) -> Option<Vec<Bgr>> {
    let position = |index: usize| {
        if size > 1 {
            index as f64 / (size - 1) as f64
        } else {
            0.0
        }
    };
    if let Some((_, points)) = CONTINUOUS.iter().find(|(other, _)| *other == name) {
        return Some(
            (0..size)
                .map(|index| interpolate(points, position(index)))
                .collect(),
        );
    }
    let (_, list) = DISTINCT.iter().find(|(other, _)| *other == name)?;
    let at = |position: f64| list[((position * list.len() as f64) as usize).min(list.len() - 1)];
    Some(
        (0..size)
            .map(|index| Bgr::from_rgb(at(position(index))))
            .collect(),
    )
}

fn interpolate(points: &[u32; 33], position: f64) -> Bgr {
    let place = position * (points.len() - 1) as f64;
    let first = (place as usize).min(points.len() - 2);
    let weight = place - first as f64;
    let (a, b) = (
        Bgr::from_rgb(points[first]),
        Bgr::from_rgb(points[first + 1]),
    );
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * weight).round() as u8;
    Bgr::new(mix(a.b, b.b), mix(a.g, b.g), mix(a.r, b.r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_colours() {
        for name in NAMES {
            assert!(Palette::new(name, 10, &["#010203"]).is_ok(), "{name}");
        }
        assert!(Palette::new("Matplotlib Jet", 10, &[]).is_err());
        assert!(Palette::new("CUSTOM", 10, &[]).is_err());
    }

    #[test]
    fn indexes_go_around_the_palette() {
        let palette = Palette::new("DEFAULT", 10, &[]).unwrap();
        assert_eq!(palette.pick(0), Bgr::new(0xfb, 0x51, 0xa3));
        assert_eq!(palette.pick(21), palette.pick(0));
        assert_eq!(
            Palette::new("CUSTOM", 10, &["#010203"]).unwrap().pick(7),
            Bgr::new(3, 2, 1)
        );
    }

    #[test]
    fn sampled_palettes_take_their_ends_and_spread_between() {
        let tab20 = Palette::new("Matplotlib Tab20", 10, &[]).unwrap();
        assert_eq!(
            (tab20.0.len(), tab20.pick(0), tab20.pick(9)),
            (10, Bgr::from_rgb(0x1f77b4), Bgr::from_rgb(0x9edae5))
        );
        let viridis = Palette::new("Matplotlib Viridis", 3, &[]).unwrap();
        assert_eq!(
            (viridis.pick(0), viridis.pick(2)),
            (Bgr::from_rgb(0x440154), Bgr::from_rgb(0xfde724))
        );
        assert_eq!(
            Palette::new("Matplotlib Set1", i64::MAX, &[])
                .unwrap()
                .0
                .len(),
            MAX_SIZE
        );
        assert_eq!(Palette::new("Matplotlib Set1", -1, &[]).unwrap().0.len(), 1);
    }
}
