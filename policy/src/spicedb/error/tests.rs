use super::*;

fn info(reason: &str, metadata: &[(&str, &str)]) -> prost_types::Any {
    let metadata = metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let info = ErrorInfo { reason: format!("ERROR_REASON_{reason}"), metadata };
    prost_types::Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: info.encode_to_vec() }
}

fn status(code: Code, message: &str, details: Vec<prost_types::Any>) -> Status {
    Status::with_details(code, message, StatusDetails { details }.encode_to_vec().into())
}

#[test]
fn the_reason_counts_and_not_the_code() {
    for code in [Code::FailedPrecondition, Code::ResourceExhausted] {
        let failure = Failure::from(status(code, "too deep", vec![info("MAXIMUM_DEPTH_EXCEEDED", &[])]));
        assert_eq!(failure.error.reason, Reason::MaximumDepthExceeded);
        assert!(!failure.repeatable, "it would be as deep again");
        assert_eq!(check_error(failure.error), Ok(CheckError::Depth));
    }
    let read_only = Failure::from(status(Code::Unavailable, "read-only", vec![info("SERVICE_READ_ONLY", &[])]));
    assert_eq!((read_only.error.reason, read_only.repeatable), (Reason::ReadOnly, false));
    // One reason stands for two, told apart by the code.
    let reason = |code| Failure::from(status(code, "", vec![info("SCHEMA_TYPE_ERROR", &[])])).error.reason;
    assert_eq!(reason(Code::FailedPrecondition), Reason::SchemaType);
    assert_eq!(reason(Code::InvalidArgument), Reason::SchemaInUse);
}

#[test]
fn what_is_not_known_is_an_error_of_its_own_and_not_tried_again() {
    let known = [("definition_name", "doc"), ("relation_or_permission_name", "view")];
    let unknown =
        Failure::from(status(Code::FailedPrecondition, "no", vec![info("UNKNOWN_RELATION_OR_PERMISSION", &known)]));
    let member = CheckError::UnknownMember { definition: "doc".into(), member: "view".into() };
    assert_eq!(check_error(unknown.error), Ok(member));
    for (code, reason) in [
        (Code::Internal, Reason::Internal),
        (Code::Unknown, Reason::Internal),
        (Code::DataLoss, Reason::Internal),
        (Code::Unimplemented, Reason::Internal),
        (Code::Ok, Reason::Internal),
        (Code::Unauthenticated, Reason::Unauthenticated),
        (Code::PermissionDenied, Reason::Unauthenticated),
        (Code::DeadlineExceeded, Reason::Unavailable),
    ] {
        let failure = Failure::from(status(code, "", vec![info("OF_ANOTHER_VERSION", &[])]));
        assert_eq!((failure.error.reason, failure.repeatable), (reason, false), "{code:?}");
        assert!(check_error(failure.error).is_err(), "an error of the server is no answer to a check");
    }
    let garbage = Status::with_details(Code::Internal, "", vec![0xff; 7].into());
    assert_eq!(Failure::from(garbage).error.reason, Reason::Internal);
}

#[test]
fn what_passes_is_tried_again() {
    for (code, message, again) in [
        (Code::Unavailable, "the server goes down", true),
        (Code::ResourceExhausted, "no connection to the database", true),
        (Code::Aborted, "serialization", true),
        (Code::ResourceExhausted, "received message larger than max (5 vs. 4)", false),
        (Code::ResourceExhausted, "watch disconnected: too slow", false),
    ] {
        assert_eq!(Failure::from(status(code, message, Vec::new())).repeatable, again, "{message}");
    }
}
