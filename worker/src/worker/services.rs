//! The registered methods by their groups, behind one type that knows only JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_shared::call::{CallFailure, Service};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodGroup, MethodName};

use crate::call::{CallContext, Method};

pub(crate) trait AnyMethod: Send + Sync {
    fn start(self: Arc<Self>, data: RawJson, context: CallContext) -> BoxFuture<'static, Said>;
}

pub(crate) type Said = Result<RawJson, CallFailure>;

pub(crate) struct TypedMethod<I, O, M> {
    method: M,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, M> TypedMethod<I, O, M> {
    pub(crate) fn new(method: M) -> Self {
        Self {
            method,
            types: PhantomData,
        }
    }
}

impl<I, O, M> AnyMethod for TypedMethod<I, O, M>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    M: Method<I, O>,
{
    fn start(self: Arc<Self>, data: RawJson, context: CallContext) -> BoxFuture<'static, Said> {
        async move {
            let input = serde_json::from_str(data.as_str()).map_err(|error| {
                let method = context.method();
                let message = format!("the data does not fit the method {method}: {error}");
                CallFailure::new(ErrorCode::BadRequest, message)
            })?;
            let output = self.method.answer(input, context).await?;
            RawJson::of(&output).map_err(|error| {
                let message = format!("the answer cannot be written as JSON: {error}");
                CallFailure::new(ErrorCode::Internal, message)
            })
        }
        .boxed()
    }
}

/// What a worker serves of one group.
#[derive(Clone)]
pub(crate) struct GroupOfMethods {
    pub(crate) service: Service,
    pub(crate) methods: BTreeMap<MethodName, Arc<dyn AnyMethod>>,
}

/// All methods of a worker.
#[derive(Default)]
pub(crate) struct Services {
    groups: BTreeMap<MethodGroup, BTreeMap<MethodName, Arc<dyn AnyMethod>>>,
}

impl Services {
    /// Gives false if the method is there already.
    pub(crate) fn insert(&mut self, name: MethodName, method: Arc<dyn AnyMethod>) -> bool {
        let group = self.groups.entry(name.group()).or_default();
        group.insert(name, method).is_none()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(crate) fn has(&self, group: &MethodGroup) -> bool {
        self.groups.contains_key(group)
    }

    pub(crate) fn into_groups(self, serial: &BTreeSet<MethodGroup>) -> Vec<GroupOfMethods> {
        let of_group = |(group, methods): (MethodGroup, BTreeMap<_, _>)| GroupOfMethods {
            service: Service {
                serial: serial.contains(&group),
                group,
                methods: methods.keys().cloned().collect(),
            },
            methods,
        };
        self.groups.into_iter().map(of_group).collect()
    }
}
