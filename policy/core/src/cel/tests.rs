use super::*;

fn on_stack(kib: usize, text: String) -> String {
    let run = move || {
        let p = [
            ("b".to_owned(), Type::Bool),
            ("l".to_owned(), Type::List(Box::new(Type::Int))),
            ("m".to_owned(), Type::Map(Box::new(Type::Any))),
            ("x".to_owned(), Type::Any),
        ];
        match Program::compile(&text, &p) {
            Ok(program) => {
                let mut v = BTreeMap::new();
                v.insert("b".to_owned(), Value::Bool(false));
                v.insert("l".to_owned(), Value::from_json(&serde_json::json!([1]), &p[1].1).unwrap());
                format!("{:?}", program.evaluate(&v))
            }
            Err(e) => e.message,
        }
    };
    std::thread::Builder::new().stack_size(kib * 1024).spawn(run).unwrap().join().unwrap()
}

#[test]
fn stack_probe() {
    let kib: usize = std::env::var("KIB").unwrap().parse().unwrap();
    let n: usize = std::env::var("N").unwrap_or("249".into()).parse().unwrap();
    let shape = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    let shapes = [
        shape("b || b && !dyn(", "b", ")"),
        shape("b || b && l.all(i, ", "b", ")"),
        shape("b || b && !dyn([", "b", "][0])"),
        shape("[", "", "]") + " == []",
        shape("{1: ", "1", "}") + " == {}",
        shape("x[", "x", "]") + " == 1",
        shape("(", "b", ")"),
        format!("b{}", " ? b : b".repeat(n)),
        shape("dyn(optional.of(", "1", "))") + " == 1",
    ];
    let i: usize = std::env::var("I").unwrap().parse().unwrap();
    println!("{}", on_stack(kib, shapes[i].clone()));
}
