//! The macro that declares the call of one SQL function.

/// Pushes one argument of a function, by the name of its type; `Relation` is one named by `call::relation_name`, and a
/// `Moment` or a `Length` is two arguments, of which one is null; `Arguments` are those of a schedule, and a `Document` is a
/// config.
#[doc(hidden)]
#[macro_export]
macro_rules! push_argument {
    ($out:ident, $value:expr, Relation) => {
        $crate::call::push_relation($value, &mut $out)?
    };
    ($out:ident, $value:expr, Moment) => {
        $value.push(&mut $out)?
    };
    ($out:ident, $value:expr, Length) => {
        $value.push(&mut $out)?
    };
    ($out:ident, $value:expr, Arguments) => {
        $value.push(&mut $out)?
    };
    ($out:ident, $value:expr, Document) => {
        $crate::job_procedure::push_document($value, &mut $out)?
    };
    ($out:ident, $value:expr, $sql_type:ident) => {
        $out.push_bind_param::<$sql_type, _>($value)?
    };
}

/// The error of a call: this crate's, unless another one is named.
#[doc(hidden)]
#[macro_export]
macro_rules! call_error {
    () => {
        $crate::Error
    };
    ($error:path) => {
        $error
    };
}

/// Declares the call of one SQL function: a struct with a field for each argument, in order, its SQL before and after
/// the arguments, the feature that it requires of the server, and its error where that is not this crate's.
#[doc(hidden)]
#[macro_export]
macro_rules! function_call {
    (
        $(#[$meta:meta])*
        $visibility:vis $call:ident { $($field:ident: $type:ty = $sql_type:ident),* $(,)? },
        $before:literal, $after:literal,
        $columns:ty => $row:ty => $output:ty, $finish:expr
        $(, requires $feature:ident)? $(, non_transactional $name:literal)? $(, error $error:path)? $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, ::diesel::query_builder::QueryId)]
        #[must_use = "a call does nothing until it runs"]
        $visibility struct $call {
            $($field: $type,)*
        }

        impl $crate::call::Statement for $call {
            type SqlType = $columns;
            type Row = $row;
            type Output = $output;
            type Error = $crate::call_error!($($error)?);

            $(const REQUIRES: Option<$crate::Feature> = Some($crate::Feature::$feature);)?
            $(const NON_TRANSACTIONAL: Option<&'static str> = Some($name);)?

            #[allow(unused_assignments, unused_mut, unused_variables, reason = "a function may have no arguments")]
            fn walk_ast<'b>(
                &'b self,
                mut out: ::diesel::query_builder::AstPass<'_, 'b, ::diesel::pg::Pg>,
            ) -> ::diesel::QueryResult<()> {
                let mut separator = "";
                out.push_sql($before);
                $(
                    out.push_sql(separator);
                    separator = ", ";
                    $crate::push_argument!(out, &self.$field, $sql_type);
                )*
                out.push_sql($after);
                Ok(())
            }

            fn output(rows: Vec<Self::Row>) -> ::std::result::Result<Self::Output, Self::Error> {
                let finish: fn(Vec<$row>) -> ::std::result::Result<$output, Self::Error> = $finish;
                finish(rows)
            }
        }
    };
}
