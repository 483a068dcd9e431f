//! Stand-in.
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Any,
    Bool,
    String,
    Int,
    Uint,
    Double,
    Bytes,
    Duration,
    Timestamp,
    List(Box<Type>),
    Map(Box<Type>),
    IpAddress,
}

impl Type {
    pub fn named(name: &str, mut arguments: Vec<Type>) -> Result<Type, String> {
        let generic = |arguments: &mut Vec<Type>| {
            if arguments.len() == 1 {
                Ok(Box::new(arguments.remove(0)))
            } else {
                Err(format!("type `{name}` requires 1 generic types; found {}", arguments.len()))
            }
        };
        Ok(match name {
            "any" => Type::Any,
            "bool" => Type::Bool,
            "string" => Type::String,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "list" => Type::List(generic(&mut arguments)?),
            "map" => Type::Map(generic(&mut arguments)?),
            "ipaddress" => Type::IpAddress,
            _ => return Err(format!("unknown type `{name}`")),
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::List(of) => write!(f, "list<{of}>"),
            Type::Map(of) => write!(f, "map<{of}>"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}
