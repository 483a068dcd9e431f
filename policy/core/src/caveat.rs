//! Caveats: named conditions on relationships.

#[cfg(test)]
mod tests;

use crate::cel::{CompileError, Outcome, Program, Type, Value};

/// Values for a caveat's parameters, by name: those stored with a relationship, or those of a request.
pub type Context = serde_json::Map<String, serde_json::Value>;

/// A condition on a relationship: parameters, and an expression over them.
#[derive(Debug)]
pub struct Caveat {
    name: String,
    parameters: Vec<(String, Type)>,
    program: Program,
}

/// A context that has been converted; only for the caveat that made it.
#[derive(Debug, Clone)]
pub struct Prepared(Vec<Option<Value>>);

/// A context does not fit a caveat, or its expression failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaveatError {
    /// The context gives a value that the caveat does not take.
    #[error("unknown parameter `{parameter}`")]
    UnknownParameter {
        /// The caveat.
        caveat: String,
        /// The name of the value.
        parameter: String,
    },
    /// `message` says what the type requires.
    #[error(
        "type error for parameters for caveat `{caveat}`: could not convert context parameter `{parameter}`: {message}"
    )]
    ParameterType {
        /// The caveat.
        caveat: String,
        /// The name of the value.
        parameter: String,
        /// What the type requires.
        message: String,
    },
    /// The expression failed.
    #[error("evaluation error for caveat {caveat}: {message}")]
    Evaluation {
        /// The caveat.
        caveat: String,
        /// Where and why.
        message: String,
    },
}

impl CaveatError {
    /// The parameter that it is about, if it is about one.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            CaveatError::UnknownParameter { parameter, .. } | CaveatError::ParameterType { parameter, .. } => {
                Some(parameter)
            }
            CaveatError::Evaluation { .. } => None,
        }
    }

    /// The caveat that it is about.
    pub fn caveat(&self) -> &str {
        let (CaveatError::UnknownParameter { caveat, .. }
        | CaveatError::ParameterType { caveat, .. }
        | CaveatError::Evaluation { caveat, .. }) = self;
        caveat
    }
}

impl Caveat {
    /// # Errors
    /// As [`Program::compile`]. That every parameter is used is for the schema to require:
    /// see [`Caveat::unused`].
    pub fn new(name: &str, parameters: Vec<(String, Type)>, expression: &str) -> Result<Caveat, CompileError> {
        let program = Program::compile(expression, &parameters)?;
        Ok(Caveat { name: name.to_owned(), parameters, program })
    }

    /// As the schema calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In the order in which they were declared.
    pub fn parameters(&self) -> &[(String, Type)] {
        &self.parameters
    }

    /// As the schema writes it.
    pub fn expression(&self) -> &str {
        self.program.text()
    }

    /// The expression in normal form: see [`Program::source`].
    pub fn source(&self) -> &str {
        self.program.source()
    }

    /// The first parameter that the expression does not refer to.
    pub fn unused(&self) -> Option<&str> {
        self.parameters.iter().map(|(name, _)| name.as_str()).find(|name| !self.program.uses(name))
    }

    /// Whether a context may be stored with a relationship.
    ///
    /// # Errors
    /// It names a parameter that the caveat lacks, or a value is of a wrong type.
    pub fn check_stored(&self, context: &Context) -> Result<(), CaveatError> {
        let known = |name: &String| self.parameters.iter().any(|(parameter, _)| parameter == name);
        if let Some(parameter) = context.keys().find(|name| !known(name)) {
            return Err(CaveatError::UnknownParameter { caveat: self.name.clone(), parameter: parameter.clone() });
        }
        self.prepare(context).map(drop)
    }

    /// Evaluates with the context stored with a relationship, which goes before that of the request.
    /// Names that are no parameters are ignored. A value of a wrong type fails the evaluation, needed or not.
    pub fn evaluate(&self, stored: &Context, request: &Context) -> Outcome<CaveatError> {
        let values = self.parameters.iter().map(|(name, of)| {
            let json = stored.get(name).or_else(|| request.get(name));
            json.map(|json| self.converted(name, of, json)).transpose()
        });
        match values.collect::<Result<Vec<_>, CaveatError>>() {
            Ok(values) => self.outcome(&values),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Converts a stored context, to evaluate it more than once.
    ///
    /// # Errors
    /// A value is of a wrong type. Names that are no parameters are ignored.
    pub fn prepare(&self, stored: &Context) -> Result<Prepared, CaveatError> {
        let values = self.parameters.iter();
        let values = values.map(|(name, of)| stored.get(name).map(|json| self.converted(name, of, json)).transpose());
        values.collect::<Result<_, _>>().map(Prepared)
    }

    /// As [`Caveat::evaluate`], with a stored context that this caveat prepared.
    pub fn evaluate_prepared(&self, stored: &Prepared, request: &Context) -> Outcome<CaveatError> {
        let values = self.parameters.iter().enumerate().map(|(index, (name, of))| {
            match (stored.0.get(index).cloned().flatten(), request.get(name)) {
                (Some(value), _) => Ok(Some(value)),
                (None, Some(json)) => self.converted(name, of, json).map(Some),
                (None, None) => Ok(None),
            }
        });
        match values.collect::<Result<Vec<_>, CaveatError>>() {
            Ok(values) => self.outcome(&values),
            Err(error) => Outcome::Failed(error),
        }
    }

    fn converted(&self, parameter: &str, of: &Type, json: &serde_json::Value) -> Result<Value, CaveatError> {
        Value::from_json(json, of).map_err(|message| CaveatError::ParameterType {
            caveat: self.name.clone(),
            parameter: parameter.to_owned(),
            message,
        })
    }

    fn outcome(&self, values: &[Option<Value>]) -> Outcome<CaveatError> {
        match self.program.evaluate_in_order(values) {
            Outcome::True => Outcome::True,
            Outcome::False => Outcome::False,
            Outcome::Missing(names) => Outcome::Missing(names),
            Outcome::Failed(message) => Outcome::Failed(CaveatError::Evaluation { caveat: self.name.clone(), message }),
        }
    }
}
