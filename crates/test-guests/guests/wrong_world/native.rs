//! A component that is no plugin.

wit_bindgen::generate!({
    inline: r#"
        package test:wrong;

        world calculator {
            export add: func(a: u32, b: u32) -> u32;
        }
    "#,
});

struct Calculator;

impl Guest for Calculator {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}

export!(Calculator);
