//! SQL injection: what a value would have to be to end the literal it is put into, and to go on as SQL.

use crate::Rule;

pub const RULES: [Rule; 6] = [
    rule(942_100, "a query joined by UNION", joins),
    rule(942_110, "a condition that is always true or false", is_tautology),
    rule(942_120, "a quote, and the rest of the query made a comment", comments_out),
    rule(942_130, "a second statement", stacks),
    rule(942_140, "a function or a table that only attackers ask for", asks_for_internals),
    rule(942_150, "a quote, and a clause of a query", adds_a_clause),
];

const fn rule(id: u32, description: &'static str, matches: fn(&str) -> bool) -> Rule {
    Rule { id, category: "sqli", description, matches }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A word or a number.
    Word(String),
    Quote(char),
    Comparison,
    Comment,
    Or,
    Mark(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let mut len = character.len_utf8();
        match character {
            _ if rest.starts_with("/*!") => {
                len = 3 + rest[3..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 3)
            }
            _ if rest.starts_with("/*") => match rest.find("*/") {
                // One that ends is a space.
                Some(end) => len = end + 2,
                None => {
                    tokens.push(Token::Comment);
                    len = rest.len();
                }
            },
            _ if rest.starts_with("*/") => len = 2,
            _ if rest.starts_with("--") => {
                len = 2;
                tokens.push(Token::Comment);
            }
            '#' if rest[1..].chars().next().is_none_or(char::is_whitespace) => tokens.push(Token::Comment),
            _ if rest.starts_with("||") || rest.starts_with("&&") => {
                len = 2;
                tokens.push(Token::Or);
            }
            '\'' | '"' | '`' => tokens.push(Token::Quote(character)),
            // What begins like an element of HTML is no comparison.
            '<' if rest[1..].starts_with(|next: char| next.is_alphabetic() || next == '/') => {
                tokens.push(Token::Mark('<'))
            }
            '=' | '<' | '>' => tokens.push(Token::Comparison),
            _ if character.is_alphanumeric() || character == '_' => {
                len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(match &rest[..len] {
                    "or" | "and" | "xor" => Token::Or,
                    "like" | "rlike" | "regexp" => Token::Comparison,
                    word => Token::Word(word.to_owned()),
                });
            }
            _ if character.is_whitespace() => {}
            _ => tokens.push(Token::Mark(character)),
        }
        rest = &rest[len..];
    }
    tokens
}

/// The words of a text in their order, past parentheses.
fn words(tokens: &[Token]) -> Vec<&str> {
    let word = |token| match token {
        &Token::Mark('(' | ')') => None,
        Token::Word(word) => Some(word.as_str()),
        _ => Some(""),
    };
    tokens.iter().filter_map(word).collect()
}

fn joins(text: &str) -> bool {
    let tokens = tokens(text);
    let words = words(&tokens);
    words.windows(3).any(|words| {
        matches!(words, ["union", "select", next] if *next != "committee")
            || matches!(words, ["union", "all" | "distinct", "select"])
    })
}

fn is_tautology(text: &str) -> bool {
    let tokens = tokens(text);
    let operand = |token: &Token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    };
    tokens.iter().enumerate().filter(|(_, token)| **token == Token::Or).any(|(at, _)| {
        let breaks_out = tokens[..at].iter().rev().find(|token| **token != Token::Mark(')'));
        let breaks_out = matches!(breaks_out, Some(Token::Quote(_)));
        // Past quotes, parentheses and a `not`.
        let is_decor = |token: &&Token| match token {
            Token::Quote(_) | Token::Mark('(' | ')' | '!') => true,
            Token::Word(word) => word == "not",
            _ => false,
        };
        let decor = tokens[at + 1..].iter().take_while(is_decor).count();
        let plain: Vec<_> = tokens[at + 1..].iter().filter(|token| !is_decor(token)).take(3).collect();
        match &plain[..] {
            [left, Token::Comparison, right] => match (operand(left), operand(right)) {
                (Some(left), Some(right)) => left == right || breaks_out || (is_number(&left) && is_number(&right)),
                _ => breaks_out,
            },
            // Both sides are empty: `or ''='`.
            [Token::Comparison, ..] => breaks_out && decor > 0,
            [left, Token::Comment, ..] | [left, Token::Mark(';'), ..] => {
                breaks_out && operand(left).is_some_and(|left| is_number(&left) || left == "true")
            }
            [left] => breaks_out && operand(left).is_some_and(|left| is_number(&left) || left == "true"),
            _ => false,
        }
    })
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn comments_out(text: &str) -> bool {
    let tokens = tokens(text);
    let ends = |at: usize| tokens.get(at + 1).is_none_or(|next| matches!(next, Token::Mark(_) | Token::Quote(_)));
    let is_quote = |token: &Token| matches!(token, Token::Quote('\''));
    tokens.iter().enumerate().filter(|(_, token)| is_quote(token)).any(|(at, _)| {
        let after = tokens[at + 1..].iter().position(|token| !matches!(token, Token::Mark(')' | ';')));
        after.is_some_and(|skipped| {
            let comment = at + 1 + skipped;
            tokens[comment] == Token::Comment && (ends(comment) || skipped > 0)
        })
    })
}

fn stacks(text: &str) -> bool {
    let tokens = tokens(text);
    tokens.split(|token| *token == Token::Mark(';')).skip(1).any(|statement| {
        matches!(
            words(statement)[..],
            ["drop" | "alter" | "create" | "truncate", "table" | "database" | "user" | "view" | "index", ..]
                | ["insert", "into", ..]
                | ["delete" | "select", _, "from", ..]
                | ["delete", "from", ..]
                | ["update", _, "set", ..]
                | ["exec" | "execute", "xp_cmdshell" | "sp_executesql" | "master", ..]
                | ["shutdown"]
                | ["shutdown", "", ..]
        )
    })
}

fn asks_for_internals(text: &str) -> bool {
    const CALLS: [&str; 9] = [
        "sleep",
        "benchmark",
        "pg_sleep",
        "extractvalue",
        "updatexml",
        "load_file",
        "xp_cmdshell",
        "group_concat",
        "dbms_pipe",
    ];
    let tokens = tokens(text);
    let calls = tokens.windows(2).any(|pair| match pair {
        [Token::Word(name), Token::Mark('(')] => CALLS.contains(&name.as_str()),
        _ => false,
    });
    let words = words(&tokens);
    let pairs = [["waitfor", "delay"], ["into", "outfile"], ["into", "dumpfile"]];
    let has_pair = words.windows(2).any(|words| pairs.iter().any(|pair| pair == words));
    calls || has_pair || words.iter().any(|word| ["information_schema", "sysobjects", "pg_catalog"].contains(word))
}

fn adds_a_clause(text: &str) -> bool {
    let tokens = tokens(text);
    let clause = |rest: &[Token]| {
        matches!(
            words(rest)[..],
            ["having", ..]
                | ["order" | "group", "by", ..]
                | ["", "select", ..]
                | ["", "ascii" | "substring" | "exists", ..]
        )
    };
    tokens.iter().enumerate().any(|(at, token)| matches!(token, Token::Quote('\'')) && clause(&tokens[at + 1..]))
}
