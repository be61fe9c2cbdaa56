//! The tasks: jobs that do something with a server. Their names are `bedrock.` and what they do.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Bedrock;
use super::event::Outcome;
use crate::worker::WorkerBuilder;
use crate::{BackupProgress, Context, Handler, Job, JobFailure};

/// What one kind of task is told, and does.
pub(super) trait Operation: DeserializeOwned + Send + Sync + 'static {
    const TYPE: &'static str;

    fn run(
        self,
        bedrock: &Bedrock,
        context: &Context<Task<Self>>,
    ) -> impl Future<Output = Result<Outcome, JobFailure>> + Send;
}

pub(super) struct Task<O>(PhantomData<fn() -> O>);

impl<O: Operation> Job for Task<O> {
    const TYPE: &'static str = O::TYPE;
    type Input = O;
    type Progress = BackupProgress;
    type Output = Outcome;
}

struct Operator(Arc<Bedrock>);

impl<O: Operation> Handler<Task<O>> for Operator {
    async fn run(&self, input: O, context: Context<Task<O>>) -> Result<Outcome, JobFailure> {
        input.run(&self.0, &context).await
    }
}

pub(super) fn register(worker: WorkerBuilder, bedrock: &Arc<Bedrock>) -> WorkerBuilder {
    let operator = || Operator(Arc::clone(bedrock));
    worker
        .register::<Task<ServerStart>>(operator())
        .register::<Task<ServerStop>>(operator())
        .register::<Task<ServerRestart>>(operator())
        .register::<Task<ServerInstall>>(operator())
        .register::<Task<CommandSend>>(operator())
        .register::<Task<TakeBackup>>(operator())
        .register::<Task<PruneBackups>>(operator())
        .register::<Task<RestoreBackup>>(operator())
        .register::<Task<WorldExport>>(operator())
        .register::<Task<WorldImport>>(operator())
        .register::<Task<WorldReset>>(operator())
}

/// A task that is told a server, and perhaps more.
macro_rules! operation {
    ($name:ident, $type:literal, { $($field:ident: $kind:ty),* }, |$self:ident, $bedrock:ident, $context:ident| $work:expr) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            server_name: String,
            $($field: $kind,)*
        }

        impl Operation for $name {
            const TYPE: &'static str = $type;

            async fn run(
                self,
                $bedrock: &Bedrock,
                $context: &Context<Task<Self>>,
            ) -> Result<Outcome, JobFailure> {
                let $self = self;
                $work
            }
        }
    };
}

operation!(
    ServerStart,
    "bedrock.server_start",
    {},
    |task, bedrock, context| bedrock.start(&context.topics(), &task.server_name).await
);
operation!(ServerStop, "bedrock.server_stop", {}, |task, bedrock, context| {
    bedrock.stop(&context.topics(), &task.server_name).await
});
operation!(
    ServerRestart,
    "bedrock.server_restart",
    {},
    |task, bedrock, context| bedrock.restart(&context.topics(), &task.server_name).await
);
operation!(
    ServerInstall,
    "bedrock.server_install",
    {},
    |task, bedrock, context| bedrock.install(&context.topics(), &task.server_name).await
);
operation!(CommandSend, "bedrock.command_send", { command: String }, |task, bedrock, context| {
    bedrock.send_command(&context.topics(), &task.server_name, &task.command).await
});
operation!(
    TakeBackup,
    "bedrock.backup",
    { backup_type: String, file_to_backup: Option<String> },
    |task, bedrock, context| {
        bedrock.backup(context, &task.server_name, &task.backup_type, task.file_to_backup.as_deref()).await
    }
);
operation!(
    PruneBackups,
    "bedrock.prune_backups",
    {},
    |task, bedrock, context| bedrock.prune(context, &task.server_name).await
);
operation!(
    RestoreBackup,
    "bedrock.restore",
    { restore_type: String, backup_file: Option<String> },
    |task, bedrock, context| {
        bedrock.restore(context, &task.server_name, &task.restore_type, task.backup_file.as_deref()).await
    }
);
operation!(
    WorldExport,
    "bedrock.world_export",
    {},
    |task, bedrock, context| bedrock.export(context, &task.server_name).await
);
operation!(WorldImport, "bedrock.world_import", { filename: String }, |task, bedrock, context| {
    bedrock.import(context, &task.server_name, &task.filename).await
});
operation!(WorldReset, "bedrock.world_reset", {}, |task, bedrock, context| {
    bedrock.reset(context, &task.server_name).await
});
