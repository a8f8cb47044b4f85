//! The formatter's rules, as its users see them. That it keeps meaning and is its own fixed point is in `properties.rs`.

use cnasc_grammar::format;

const SAMPLE: &str = include_str!("sample.cnas");

#[test]
fn the_sample_is_formatted() {
    assert_eq!(format(SAMPLE).as_deref(), Ok(SAMPLE));
}

#[test]
fn an_empty_file_is_empty() {
    assert_eq!(format("").as_deref(), Ok(""));
    assert_eq!(format(" \n\n").as_deref(), Ok(""));
    assert_eq!(format("\n// only this\n\n").as_deref(), Ok("// only this\n"));
}

#[test]
fn a_text_with_mistakes_is_not_formatted() {
    assert_eq!(format("fleet f {\n seed = 7\n}").map_err(|errors| errors.len()), Err(1));
}

#[test]
fn spaces_lines_and_comments() {
    let text = "//!A file.
use a::b
use c // why

use d
// about f
fleet f{ // head
node a [ 4 ]:x


link a<->b:1   Gbit/s,2 us   // behind
// last
}   // after
staging s(a:int=3,)
{
channels   double up to 2*(a+1)
/// Shrinks.
// not documentation
shrink maxpool(
  2, // inside
)

policy greedy
}
search e{}
generator g{edge(i,j)if not(i<j)and-i^2<j nodes in{1,2,}}
block b=conv( 3 )->
  (bn)->relu
";
    insta::assert_snapshot!(format(text).expect("no mistakes"), @r#"
    //! A file.

    use a::b
    use c    // why

    use d

    // about f
    fleet f {    // head
        node a[4]: x

        link a <-> b: 1 Gbit/s, 2 us    // behind
        // last
    }    // after

    staging s(a: int = 3) {
        channels double up to 2 * (a + 1)
        // not documentation
        // inside
        /// Shrinks.
        shrink   maxpool(2)

        policy greedy
    }

    search e {}

    generator g {
        edge(i, j) if not (i < j) and -i ^ 2 < j
        nodes in {1, 2}
    }

    block b = conv(3) -> (bn) -> relu
    "#);
}

#[test]
fn long_lines_are_broken() {
    let text = "search s {
    over network(wiring: local(n: in {16, 24, 32, 40, 48, 56, 64}, reach: in log 1.0 .. 16.0), width: in {16, 32, 64, 128}, depth: 3)
    stem convolution(3, 64) -> batch_normalisation -> rectified -> convolution(3, 64) -> batch_normalisation -> rectified -> pool
    where first_quantity_with_a_long_name * second(argument: 1, other: 2) <= third_quantity_with_a_long_name(with: 12345, and: 67890)
}
network f(first_parameter: generator, second_parameter: staging, third_parameter: block, fourth_parameter: int = 1234567) {
    head linear(10)
}
";
    insta::assert_snapshot!(format(text).expect("no mistakes"), @r#"
    search s {
        over  network(
            wiring: local(n: in {16, 24, 32, 40, 48, 56, 64}, reach: in log 1.0 .. 16.0),
            width: in {16, 32, 64, 128},
            depth: 3,
        )
        stem  convolution(3, 64)
            -> batch_normalisation
            -> rectified
            -> convolution(3, 64)
            -> batch_normalisation
            -> rectified
            -> pool
        where first_quantity_with_a_long_name * second(
            argument: 1,
            other: 2,
        ) <= third_quantity_with_a_long_name(with: 12345, and: 67890)
    }

    network f(
        first_parameter: generator,
        second_parameter: staging,
        third_parameter: block,
        fourth_parameter: int = 1234567,
    ) {
        head linear(10)
    }
    "#);
}

#[test]
fn a_fidelity_is_padded_by_itself() {
    let text = "search s {\n over x\n fidelity{minimize params // small\n keep 32 } // first\n minimize latency\n budget 3 candidates\n}\n";
    let formatted = format(text).expect("no errors");
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted));
    insta::assert_snapshot!(formatted, @r"
    search s {
        over x
        fidelity {
            minimize params    // small
            keep     32
        }    // first
        minimize latency
        budget   3 candidates
    }
    ");
}

#[test]
fn sections_inside_sections_keep_their_comments() {
    let text = "network f {\n  // before\n  repeat 3 {   // open\n  residual { // in\n layer conv(3, 16) -> bn\n\n\n layer relu\n   // last\n }\n \
        layer relu // behind\n } // closed\n branch { layer a } // first\n {\n body  a of b\n } { }\n joined by concat // end\n head b\n}\n";
    let formatted = format(text).expect("no errors");
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted));
    insta::assert_snapshot!(formatted, @r"
    network f {
        // before
        repeat 3 {    // open
            residual {    // in
                layer conv(3, 16) -> bn

                layer relu
                // last
            }
            layer relu    // behind
        }    // closed
        branch {
            layer a
            // first
        } {
            body a of b
        } {
        } joined by concat    // end
        head b
    }
    ");
}
