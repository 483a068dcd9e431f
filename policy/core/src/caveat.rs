//! Stand-in.
use crate::cel::Type;

#[derive(Debug)]
pub struct CompileError {
    pub line: u32,
    pub column: u32,
    pub message: String,
}

#[derive(Debug)]
pub struct Caveat {
    name: String,
    parameters: Vec<(String, Type)>,
    expression: String,
}

impl Caveat {
    pub fn new(name: &str, parameters: Vec<(String, Type)>, expression: &str) -> Result<Self, CompileError> {
        if !expression.contains(['=', '<', '>', '(']) && !parameters.iter().any(|(_, kind)| *kind == Type::Bool) {
            return Err(CompileError { line: 1, column: 1, message: "not bool".to_owned() });
        }
        Ok(Caveat { name: name.to_owned(), parameters, expression: expression.to_owned() })
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn parameters(&self) -> &[(String, Type)] {
        &self.parameters
    }
    pub fn expression(&self) -> &str {
        &self.expression
    }
    pub fn uses(&self, parameter: &str) -> bool {
        self.expression.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == parameter)
    }
}
