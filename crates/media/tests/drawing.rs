//! What drawing leaves in the pixels, asserted as pixels.

use framewire_media::{Bgr, Canvas, Font, Frame, FramePool, Rect, RectStyle, TextStyle, Weight};

const RED: Bgr = Bgr::new(0, 0, 255);

fn picture(pool: &FramePool) -> Frame {
    Frame::solid_bgr(pool, 64, 48, Bgr::BLACK).unwrap()
}

fn at(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
    let plane = frame.plane(0);
    plane.data[y * plane.stride + x * 3..][..3]
        .try_into()
        .unwrap()
}

fn painted(frame: &Frame) -> usize {
    frame
        .plane(0)
        .data
        .as_chunks::<3>()
        .0
        .iter()
        .filter(|pixel| **pixel != [0, 0, 0])
        .count()
}

#[test]
fn a_square_outline_covers_exactly_its_frame() {
    let pool = FramePool::default();
    let mut frame = picture(&pool);
    Canvas::on(&mut frame, &pool).unwrap().rect(
        Rect::new(10.0, 10.0, 20.0, 10.0),
        RectStyle::outline(RED, 2),
    );
    // 22x12 outside, 18x8 inside.
    assert_eq!(painted(&frame), 22 * 12 - 18 * 8);
    for (x, y) in [(9, 9), (30, 20), (10, 15), (20, 10)] {
        assert_eq!(at(&frame, x, y), RED.bytes(), "{x},{y}");
    }
    for (x, y) in [(8, 9), (31, 20), (11, 11), (20, 15)] {
        assert_eq!(at(&frame, x, y), [0, 0, 0], "{x},{y}");
    }
}

#[test]
fn a_filled_rectangle_covers_exactly_its_area_and_a_rounded_one_loses_its_corners() {
    let pool = FramePool::default();
    let mut frame = picture(&pool);
    let area = Rect::from_corners(5.0, 6.0, 25.0, 16.0);
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(area, RectStyle::filled(RED));
    assert_eq!(painted(&frame), 200);
    let mut frame = picture(&pool);
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(area, RectStyle::filled(RED).roundness(1.0));
    assert_eq!(
        (at(&frame, 5, 6), at(&frame, 24, 15)),
        ([0, 0, 0], [0, 0, 0])
    );
    assert_eq!(at(&frame, 15, 6), RED.bytes());
    assert!(at(&frame, 5, 11)[2] > 240);
    // 10x10 circle and a 10x10 middle.
    let total: f64 = frame
        .plane(0)
        .data
        .iter()
        .map(|&byte| f64::from(byte) / 255.0)
        .sum();
    assert!(
        (total - (100.0 + std::f64::consts::PI * 25.0)).abs() < 4.0,
        "{total}"
    );
}

#[test]
fn a_rounded_outline_is_a_ring_with_soft_edges() {
    let pool = FramePool::default();
    let mut frame = picture(&pool);
    let style = RectStyle::outline(RED, 3).roundness(1.0);
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(Rect::from_center(32.0, 24.0, 30.0, 30.0), style);
    assert_eq!(at(&frame, 32, 24), [0, 0, 0]);
    assert!(at(&frame, 17, 24)[2] > 240);
    assert_eq!(at(&frame, 17, 9), [0, 0, 0]);
    assert!(
        frame
            .plane(0)
            .data
            .iter()
            .any(|&byte| byte > 0 && byte < 255)
    );
}

#[test]
fn wild_coordinates_paint_what_is_visible_and_nothing_else() {
    let pool = FramePool::default();
    let wild = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        -0.0,
        1e9,
        -7.5,
        63.9,
        3.0,
    ];
    let mut frame = picture(&pool);
    let mut font = Font::default();
    let mut canvas = Canvas::on(&mut frame, &pool).unwrap();
    for x in wild {
        for y in wild {
            for size in wild {
                let rect = Rect::new(x, y, size, 5.0);
                canvas.rect(rect, RectStyle::filled(RED).roundness(size));
                canvas.rect(rect, RectStyle::outline(RED, u32::MAX).radius(size));
                canvas.rect(
                    Rect::new(x, y, 5.0, size),
                    RectStyle::outline(RED, 0).roundness(0.4),
                );
            }
            canvas.text(&mut font, x, y, "wild", TextStyle::new(18.0, Bgr::WHITE));
            canvas.label(
                &mut font,
                (x, y),
                "wild",
                TextStyle::new(y, Bgr::WHITE),
                RectStyle::filled(RED),
                x,
            );
        }
    }
    let mut frame = picture(&pool);
    let everything = Rect::new(-1e5, -1e5, 3e5, 3e5);
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(everything, RectStyle::filled(RED));
    assert_eq!(painted(&frame), 64 * 48);
}

#[test]
fn text_is_drawn_anti_aliased_inside_what_was_measured() {
    let pool = FramePool::default();
    let mut frame = picture(&pool);
    let mut font = Font::default();
    let style = TextStyle::new(20.0, Bgr::WHITE).weight(Weight::Bold);
    let extent = font.measure("gA1", style);
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .text(&mut font, 4.0, 30.0, "gA1", style);
    let lit: Vec<(usize, usize)> = (0..48)
        .flat_map(|y| (0..64).map(move |x| (x, y)))
        .filter(|&(x, y)| at(&frame, x, y) != [0, 0, 0])
        .collect();
    assert!(lit.len() > 60);
    let (left, right) = (
        lit.iter().map(|p| p.0).min().unwrap(),
        lit.iter().map(|p| p.0).max().unwrap(),
    );
    let (top, bottom) = (
        lit.iter().map(|p| p.1).min().unwrap(),
        lit.iter().map(|p| p.1).max().unwrap(),
    );
    assert!(
        left >= 3 && right as f32 <= 5.0 + extent.width,
        "{left}..{right} {extent:?}"
    );
    assert!(
        top as f32 >= 29.0 - extent.ascent && bottom as f32 <= 31.0 + extent.descent,
        "{top}..{bottom}"
    );
    assert!(lit.iter().any(|&(x, y)| at(&frame, x, y)[0] < 255));
}

#[test]
fn drawing_never_changes_a_picture_that_somebody_else_holds() {
    let pool = FramePool::default();
    let mut frame = picture(&pool);
    let other = frame.clone();
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(Rect::new(0.0, 0.0, 9.0, 9.0), RectStyle::filled(RED));
    assert_eq!((painted(&frame), painted(&other)), (81, 0));
    let allocated = pool.stats().allocated;
    Canvas::on(&mut frame, &pool)
        .unwrap()
        .rect(Rect::new(0.0, 0.0, 9.0, 9.0), RectStyle::filled(RED));
    assert_eq!(
        pool.stats().allocated,
        allocated,
        "a picture nobody else holds is drawn on in place"
    );
}
