//! The one style sheet of the pages.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;

/// `GET /oauth/style.css`.
pub(super) async fn sheet() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/css; charset=utf-8")).body(SHEET)
}

const SHEET: &str = "\
:root { color-scheme: light dark; --ink: #1d2521; --soft: #5a665f; --paper: #f4f6f3; --card: #fff; --line: #d5dcd6; --act: #1f6b4a; --on: #fff; --bad: #a3261b }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eeea; --soft: #a3b0a8; --paper: #131816; --card: #1c2320; --line: #37423c; --act: #63c79a; --on: #0c1510; --bad: #ff9d92 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
main { overflow-wrap: break-word; max-width: 34rem; margin: 0 auto; padding: 1.75rem; background: var(--card); border: 1px solid var(--line); border-radius: .9rem }
.wide main, .wide .mark { max-width: 76rem }
.scroll { overflow-x: auto; margin: 0 -.5rem .9rem; background: linear-gradient(to right, var(--card) 30%, transparent) 0 0 / 2.5rem 100% no-repeat local, linear-gradient(to left, var(--card) 30%, transparent) 100% 0 / 2.5rem 100% no-repeat local, linear-gradient(to right, var(--line), transparent) 0 0 / .9rem 100% no-repeat scroll, linear-gradient(to left, var(--line), transparent) 100% 0 / .9rem 100% no-repeat scroll }
h1 { margin: 0 0 .75rem; font-size: 1.45rem; line-height: 1.25 }
h2 { margin: 0 0 .5rem; font-size: 1.05rem }
p { margin: 0 0 .9rem }
strong { unicode-bidi: isolate }
.mark { max-width: 34rem; margin: 0 auto 1rem; font-weight: 700; letter-spacing: .02em }
.soft { color: var(--soft) }
.alert { padding: .7rem .9rem; border: 1px solid var(--bad); border-radius: .5rem; color: var(--bad) }
table { width: 100%; border-collapse: collapse; font-size: .95rem }
th, td { padding: .4rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); min-width: 5.5rem; max-width: 24rem; overflow-wrap: break-word }
time { white-space: nowrap }
label { display: block; margin: 0 0 .3rem; font-weight: 600 }
input[type=text], input[type=password], input[type=date], input[type=datetime-local], textarea, select { width: 100%; min-width: 0; max-width: 100%; margin: 0 0 1rem; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: .5rem }
fieldset { min-width: 0; margin: 0 0 1.1rem; padding: 1rem; border: 1px solid var(--line); border-radius: .6rem }
legend { padding: 0 .35rem; font-weight: 700 }
.inner { margin: 0 0 .9rem; padding: .2rem 0 0; border: 0 }
.inner legend { padding: 0; font-weight: 600 }
.inner p { margin: .3rem 0 0 }
.tick { display: flex; gap: .6rem; align-items: center; padding: .25rem 0; font-weight: 400 }
.tick input { flex: none; width: 1.15rem; height: 1.15rem; accent-color: var(--act) }
details { margin: .6rem 0 0 }
summary { cursor: pointer; color: var(--soft) }
.row { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .5rem; align-items: center; margin-top: .6rem }
.row select, .row input { margin: 0 }
.row .name { font-weight: 600; overflow-wrap: anywhere }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: 1rem }
.pair > span { min-width: 0 }
caption { padding: .3rem .5rem; text-align: left; font-weight: 700 }
td.soft { font-size: .9rem }
.tongues { max-width: 34rem; margin: 1rem auto 0; display: flex; flex-wrap: wrap; gap: .4rem 1rem; font-size: .95rem; color: var(--soft) }
.tongues a { color: var(--act) }
textarea { resize: vertical; overflow-wrap: anywhere }
progress { width: 100%; accent-color: var(--act) }
.more { margin: 0 0 1.1rem }
section { margin-bottom: 1.25rem }
.unseen { position: absolute; width: 1px; height: 1px; padding: 0; border: 0; opacity: 0; pointer-events: none }
[hidden] { display: none }
[data-old] { opacity: .5 }
.choice { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin: .5rem 0 .9rem }
button { width: 100%; padding: .75rem 1rem; font: inherit; font-weight: 700; color: var(--on); background: var(--act); border: 1px solid var(--act); border-radius: .5rem; cursor: pointer }
.else { margin-top: 1.25rem }
.else p { margin: .5rem 0 0 }
p.help { margin-top: -.6rem; font-size: .9rem }
p.go { margin: 1.25rem 0 0 }
p.go a { display: block; padding: .75rem 1rem; font-weight: 700; text-align: center; text-decoration: none; color: var(--on); background: var(--act); border-radius: .5rem }
p.other { margin: .75rem 0 0 }
p.other a { display: block; padding: .7rem 1rem; font-weight: 700; text-align: center; text-decoration: none; color: var(--ink); border: 1px solid var(--soft); border-radius: .5rem }
button.plain { color: var(--ink); background: transparent; border-color: var(--soft) }
button.link { width: auto; padding: 0; color: var(--act); background: none; border: 0; text-decoration: underline; font-weight: 400 }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px }
@media (max-width: 30rem) { body { padding: 1rem .5rem 3rem } main { padding: 1.1rem } .row, .pair, .choice { grid-template-columns: minmax(0, 1fr) } select { white-space: normal } }
";
