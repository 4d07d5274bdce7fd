//! `vidpass audit`

use clap::Args;
use serde_json::{Value, json};
use vidpass_store::{Actor, AuditEntry, AuditQuery, MAX_AUDIT_LISTED, Store};
use vidpass_token::AccountId;

use super::store;
use crate::cli::Common;
use crate::output::print_list;
use crate::span::Moment;
use crate::{clock, span};

/// Show who changed what, the newest first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vidpass audit --since -24h
  vidpass audit --account acme --json | jq '.[] | select(.action == \"key.delete\")'")]
pub(crate) struct Audit {
    /// Of this account alone
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Since when: a time before now (-24h), a date, or Unix seconds
    #[arg(long, value_name = "TIME", default_value = "-7d", allow_hyphen_values = true)]
    since: Moment,
    /// At most so many lines
    #[arg(long, value_name = "NUMBER", default_value_t = MAX_AUDIT_LISTED, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

impl Audit {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let store = store::open(&self.common.place).await?;
        let query = AuditQuery {
            account: self.account,
            since: Some(self.since.resolve(clock::now())),
            limit: self.limit,
            ..AuditQuery::default()
        };
        let lines = all_pages(&store, query).await?;
        print_list(self.common.json, &lines.iter().map(shown).collect::<Vec<_>>());
        Ok(())
    }
}

async fn all_pages(store: &Store, mut query: AuditQuery) -> anyhow::Result<Vec<AuditEntry>> {
    let mut lines = Vec::new();
    while query.limit > 0 {
        let page = store.list_audit_log(&query).await?;
        let Some(last) = page.last() else { break };
        query.after = Some(last.id);
        query.limit -= u32::try_from(page.len()).expect("a page is short");
        lines.extend(page);
    }
    Ok(lines)
}

fn shown(line: &AuditEntry) -> Value {
    let (from, request) = match &line.actor {
        Actor::Api { address, request_id, .. } => (address.map(|address| address.to_string()), Some(request_id)),
        Actor::Cli { .. } | Actor::Server => (None, None),
    };
    json!({
        "at": span::date(line.at),
        "account": line.account.as_ref().map(AccountId::as_str),
        "action": line.action,
        "subject": line.subject,
        "by": line.actor.kind(),
        "name": line.actor.name(),
        "from": from,
        "request": request,
        "details": line.details,
    })
}
