//! Non-maximum suppression: of boxes that overlap too much, the most confident stays.
//! Not here: soft or weighted variants.

use super::family::Candidate;

/// Limits of one suppression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NmsOptions {
    /// Overlap above which the weaker box goes.
    pub(crate) iou: f32,
    /// Boxes of different classes suppress each other too.
    pub(crate) class_agnostic: bool,
    /// Only this many of the most confident boxes take part.
    pub(crate) max_candidates: usize,
    /// Only this many stay.
    pub(crate) max_detections: usize,
}

/// Leaves the survivors in `candidates`, most confident first; equals keep their order. O(candidates x survivors).
pub(crate) fn suppress(candidates: &mut Vec<Candidate>, options: NmsOptions) {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.truncate(options.max_candidates);
    let mut kept = 0;
    for index in 0..candidates.len() {
        if kept == options.max_detections {
            break;
        }
        let candidate = candidates[index];
        let rival = |other: &Candidate| {
            (options.class_agnostic || other.class_id == candidate.class_id)
                && iou(other.corners, candidate.corners) > options.iou
        };
        if !candidates[..kept].iter().any(rival) {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let overlap = |low: usize, high: usize| (a[high].min(b[high]) - a[low].max(b[low])).max(0.0);
    let area = |c: [f32; 4]| (c[2] - c[0]).max(0.0) * (c[3] - c[1]).max(0.0);
    let shared = overlap(0, 2) * overlap(1, 3);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: NmsOptions = NmsOptions {
        iou: 0.5,
        class_agnostic: false,
        max_candidates: 3000,
        max_detections: 300,
    };

    fn candidate(class_id: u32, confidence: f32, x: f32) -> Candidate {
        Candidate {
            class_id,
            confidence,
            corners: [x, 0.0, x + 10.0, 10.0],
        }
    }

    fn confidences(mut candidates: Vec<Candidate>, options: NmsOptions) -> Vec<f32> {
        suppress(&mut candidates, options);
        candidates.iter().map(|c| c.confidence).collect()
    }

    #[test]
    fn the_stronger_of_two_overlapping_boxes_of_a_class_stays() {
        let boxes = vec![
            candidate(1, 0.5, 0.0),
            candidate(1, 0.9, 1.0),
            candidate(1, 0.7, 30.0),
        ];
        assert_eq!(confidences(boxes, OPTIONS), [0.9, 0.7]);
    }

    #[test]
    fn classes_are_kept_apart_unless_agnostic() {
        let boxes = vec![candidate(1, 0.5, 0.0), candidate(2, 0.9, 1.0)];
        assert_eq!(confidences(boxes.clone(), OPTIONS), [0.9, 0.5]);
        assert_eq!(
            confidences(
                boxes,
                NmsOptions {
                    class_agnostic: true,
                    ..OPTIONS
                }
            ),
            [0.9]
        );
    }

    #[test]
    fn an_overlap_equal_to_the_threshold_stays() {
        // 10 wide, shifted by 5: overlap 5 of 15, exactly a third.
        let boxes = vec![candidate(1, 0.9, 0.0), candidate(1, 0.5, 5.0)];
        assert_eq!(
            confidences(
                boxes.clone(),
                NmsOptions {
                    iou: 1.0 / 3.0,
                    ..OPTIONS
                }
            ),
            [0.9, 0.5]
        );
        assert_eq!(
            confidences(
                boxes,
                NmsOptions {
                    iou: 0.33,
                    ..OPTIONS
                }
            ),
            [0.9]
        );
    }

    #[test]
    fn candidates_and_detections_are_limited_to_the_most_confident() {
        let boxes: Vec<_> = (0..10)
            .map(|i| candidate(i, 0.1 * i as f32, 20.0 * i as f32))
            .collect();
        assert_eq!(
            confidences(
                boxes.clone(),
                NmsOptions {
                    max_detections: 2,
                    ..OPTIONS
                }
            )
            .len(),
            2
        );
        assert_eq!(
            confidences(
                boxes.clone(),
                NmsOptions {
                    max_candidates: 3,
                    ..OPTIONS
                }
            )
            .len(),
            3
        );
        assert!(
            confidences(
                boxes,
                NmsOptions {
                    max_detections: 0,
                    ..OPTIONS
                }
            )
            .is_empty()
        );
    }

    #[test]
    fn empty_boxes_do_not_suppress() {
        let flat = Candidate {
            class_id: 0,
            confidence: 0.9,
            corners: [5.0; 4],
        };
        assert_eq!(confidences(vec![flat, flat], OPTIONS).len(), 2);
    }
}
