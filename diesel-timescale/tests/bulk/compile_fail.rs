//! What does not compile, and the texts that help.

#[test]
fn mistakes_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/bulk/ui/*.rs");
}
