//! The texts of the consent page.

use gateway_people::grants::Operator;
use gateway_people::language::Language;
use policy_core::Verb;

words! {
    asks_for_access(app): "{app} asks for access", "{app} bittet um Zugriff";
    asks_who_you_are(app): "{app} wants to know who you are", "{app} möchte wissen, wer du bist";
    who_asks(user, place): "You are signed in as {user}. The app is answered at {place}; it names itself, and nobody has reviewed it.", "Du bist als {user} angemeldet. Die App erhält ihre Antwort bei {place}; ihren Namen hat sie sich selbst gegeben, und niemand hat sie geprüft.";
    is_its_host(host): "This app is {host}, whatever it calls itself: it was made by whoever may put files there. Nobody has registered it at this node.", "Diese App ist {host}, wie immer sie sich nennt: Gemacht hat sie, wer dort Dateien ablegen darf. Niemand hat sie an diesem Server eingetragen.";
    calls_itself(name): "It calls itself “{name}”.", "Sie nennt sich „{name}“.";
    registered_itself: "This app registered itself at this node. Nobody here has looked at it.", "Diese App hat sich an diesem Server selbst eingetragen. Niemand hier hat sie angesehen.";
    asks_for_data_in(space): "It asks for data in {space}.", "Sie bittet um Daten in {space}.";
    asks_for_no_data: "It asks for none of your data.", "Sie bittet um keine deiner Daten.";
    your_personal_space: "your personal space", "deinem persönlichen Bereich";
    your_space(name): "your space “{name}”", "deinem Bereich „{name}“";
    this_device: "this device", "diesem Gerät";
    device_with_the_code: "the device that shows the code", "dem Gerät, das den Code zeigt";
    lets_a_device_in: "You let in a device or program that shows the code which you typed. Do so only if you started it yourself: whoever has it acts with what you allow here.", "Du lässt ein Gerät oder Programm ein, das den Code zeigt, den du eingegeben hast. Tu das nur, wenn du es selbst gestartet hast: Wer es hat, handelt mit dem, was du hier erlaubst.";
    says_why(purpose): "The app says why: “{purpose}”", "Wozu, sagt die App: „{purpose}“";
    what_it_may_do: "What it may do", "Was sie tun darf";
    which_fields: "With which fields", "Mit welchen Feldern";
    app_needs_it: "(the app needs it)", "(die App braucht es)";
    tick_all_fields(kind): "Tick all fields of {kind}", "Alle Felder von {kind} ankreuzen";
    does_even_foreign: "(also ones that it did not add)", "(auch solche, die sie nicht angelegt hat)";
    sees_the_past: "(also what you have changed or deleted since)", "(auch was du seither geändert oder gelöscht hast)";
    only_some: "Only some of them", "Nur einige davon";
    only_some_help: "The app gets only what meets all that you choose here.", "Die App bekommt nur, was alles erfüllt, was du hier wählst.";
    which_documents: "Which ones", "Welche";
    only_these: "Only these, by their ids", "Nur diese, nach ihren Kennungen";
    only_these_help(most): "Up to {most}, with spaces between them. Left empty, it is all that meet the rest.", "Bis zu {most}, mit Leerzeichen dazwischen. Bleibt es leer, sind es alle, die das Übrige erfüllen.";
    rows_a_day: "How many a day, at most?", "Wie viele am Tag höchstens?";
    rows_a_day_help: "A whole number of entries that the app is told in a day (UTC). Left empty, it is as many as it asks for.", "Eine ganze Zahl von Einträgen, die die App an einem Tag (UTC) erfährt. Bleibt es leer, sind es so viele, wie sie abfragt.";
    rows_a_day_asked(most): "A whole number of entries that the app is told in a day (UTC); it asks for {most}.", "Eine ganze Zahl von Einträgen, die die App an einem Tag (UTC) erfährt; sie bittet um {most}.";
    how_compared(field): "{field}: how it is compared", "{field}: wie verglichen wird";
    compared_with(field): "{field}: with what", "{field}: womit";
    any_value: "any value", "jeder Wert";
    is_empty: "is empty", "ist leer";
    is_not_empty: "is not empty", "ist nicht leer";
    yes: "yes", "ja";
    no: "no", "nein";
    how_long: "How long?", "Wie lange?";
    for_a_day: "for a day", "einen Tag";
    for_30_days: "for 30 days", "30 Tage";
    for_180_days: "for 180 days", "180 Tage";
    for_a_year: "for a year", "ein Jahr";
    as_the_app_asks: "as the app asks", "wie die App bittet";
    until_i_revoke: "until I revoke it", "bis ich es zurücknehme";
    or_until_day: "Or until this day", "Oder bis zu diesem Tag";
    day_counts: "A day that you give here counts, and it ends in its last minute (UTC).", "Ein Tag, den du hier angibst, zählt; es endet mit seiner letzten Minute (UTC).";
    asks_until(date): "The app asks for it until {date}.", "Die App bittet darum bis zum {date}.";
    what_it_would_see: "What it would see now", "Was sie jetzt sehen würde";
    show_what: "Show what it would see", "Zeigen, was sie sehen würde";
    your_first_rows: "These are your own first entries, as the app would get them. What it never gets is not here.", "Das sind deine eigenen ersten Einträge, wie die App sie bekäme. Was sie nicht bekommt, steht nicht hier.";
    seen_nothing_ticked: "Nothing is ticked: it would see nothing.", "Nichts ist angekreuzt: Sie würde nichts sehen.";
    seen_nothing(kind): "{kind}: it would read nothing.", "{kind}: Sie würde nichts lesen.";
    seen_by_name(kind): "{kind}: it would list none by itself, and read those whose id it knows or that others which it reads lead to.", "{kind}: Sie würde von sich aus keine auflisten und die lesen, deren Kennung sie weiß oder zu denen andere führen, die sie liest.";
    seen_versions(kind): "{kind}: it would read every version of all of them, also today's.", "{kind}: Sie würde jede Fassung von allen lesen, auch die heutige.";
    seen_versions_too(kind): "{kind}: it would read every earlier version too, of the fields that it may see the past of.", "{kind}: Sie würde auch jede frühere Fassung lesen, mit den Feldern, deren Vergangenheit sie sehen darf.";
    seen_no_rows(kind): "{kind}: there is nothing now. What comes later it would see.", "{kind}: Zurzeit ist nichts da. Was später kommt, würde sie sehen.";
    seen_no_fields(kind): "{kind}: it would see how many there are, their ids, and of what leads to them what it may see of that.", "{kind}: Sie würde sehen, wie viele es sind, ihre Kennungen, und von dem, was zu ihnen führt, was sie davon sehen darf.";
    seen_too_large(kind): "{kind}: the first entries are too large to be shown here.", "{kind}: Die ersten Einträge sind zu groß, um sie hier zu zeigen.";
    seen_not_now: "It cannot be shown at this moment; try again.", "Das lässt sich gerade nicht zeigen; versuch es noch einmal.";
    seen_after_correction: "It is shown as soon as what stands above is right.", "Es wird gezeigt, sobald stimmt, was oben steht.";
    seen_more: "There are more entries.", "Es gibt weitere Einträge.";
    not_shown: "nothing", "nichts";
    deny: "Deny", "Ablehnen";
    allow: "Allow", "Erlauben";
    take_back: "You can take this back at any time; it then ends with the app's next request.", "Du kannst das jederzeit zurücknehmen; es endet dann mit der nächsten Anfrage der App.";
    take_back_sign_in: "You can take this back at any time.", "Du kannst das jederzeit zurücknehmen.";
    not_asked_again: "When you sign in there again you are not asked again.", "Wenn du dich dort wieder anmeldest, wirst du nicht noch einmal gefragt.";
    not_you: "Not you?", "Nicht du?";
    sign_in_as_other: "Sign in as someone else", "Als jemand anderes anmelden";
    no_page_named: "no web page named", "keine Webseite genannt";
    who_you_are: "Who you are", "Wer du bist";
    told_a_number: "It is told a number that stands for you there. Other apps are told other numbers, and none of them tells your name.", "Sie erfährt eine Nummer, die dort für dich steht. Andere Apps erfahren andere Nummern, und keine verrät deinen Namen.";
    and_your_name(user): "and the name under which you sign in, {user}", "und den Namen, unter dem du dich anmeldest: {user}";
    nothing_to_share: "Nothing to share", "Nichts zu teilen";
    asks_for_missing(app): "{app} asks for something that is not here.", "{app} bittet um etwas, das es hier nicht gibt.";

    asks_for_foreign_space: "The app asks for a space that you do not have.", "Die App bittet um einen Bereich, den du nicht hast.";
    nothing_of_this: "Nothing of this is ticked: the app gets none of it.", "Davon ist nichts angekreuzt: Die App bekommt nichts davon.";
    nothing_ticked: "Nothing is ticked. Tick what the app may have, or deny.", "Nichts ist angekreuzt. Kreuze an, was die App haben darf, oder lehne ab.";
    field_needed(field): "The app needs {field}. If it is not to have it, deny.", "Die App braucht {field}. Soll sie es nicht haben, lehne ab.";
    verb_needed(kind): "The app may do nothing with {kind}, and needs it. Tick what it may do, or deny.", "Die App darf mit {kind} nichts tun und braucht es. Kreuze an, was sie tun darf, oder lehne ab.";
    search_reads(kind): "Who looks for {kind} learns what is in it. Tick reading too, or untick looking.", "Wer {kind} sucht, erfährt, was darin steht. Kreuze auch Lesen an oder nimm Suchen weg.";
    history_reads(kind): "Who sees every version of {kind} reads what is in it today. Tick reading too, or untick the versions.", "Wer jede Fassung von {kind} sieht, liest auch, was heute darin steht. Kreuze auch Lesen an oder nimm die Fassungen weg.";
    document_needed(kind): "The app needs at least one {kind}. Tick one, or deny.", "Die App braucht mindestens eines von {kind}. Kreuze eines an, oder lehne ab.";
    no_document(most): "These are up to {most} ids, each of 32 hexadecimal digits, with spaces between them.", "Das sind bis zu {most} Kennungen aus je 32 hexadezimalen Ziffern, mit Leerzeichen dazwischen.";
    named_makes_none: "Nothing new is among documents that are named. Untick adding, or name none.", "Nichts Neues ist unter Einträgen, die einzeln genannt sind. Nimm Anlegen weg oder nenne keine.";
    no_rows: "How many a day is a whole number, such as 500.", "Wie viele am Tag, ist eine ganze Zahl, etwa 500.";
    rows_beyond(most): "The app asks for {most} a day: give that number or a smaller one.", "Die App bittet um {most} am Tag: Gib diese Zahl an oder eine kleinere.";
    look_once_more: "This is what you chose. Look at it once more, then allow it.", "Das hast du gewählt. Sieh es dir noch einmal an, dann erlaube es.";
    seen_too_old: "What stands here is not yet what you chose: it cannot be shown at this moment.", "Was hier steht, ist noch nicht, was du gewählt hast: Es lässt sich gerade nicht zeigen.";
    choose_test(field): "Choose how {field} is compared.", "Wähle, wie {field} verglichen wird.";
    give_value(field): "Give the value with which {field} is compared, or choose “any value”.", "Gib den Wert an, mit dem {field} verglichen wird, oder wähle „jeder Wert“.";
    no_number(field): "{field} is compared with a number, such as 1.5 or 1000.", "{field} wird mit einer Zahl verglichen, etwa 1,5 oder 1000.";
    no_whole_number(field): "{field} is compared with a whole number.", "{field} wird mit einer ganzen Zahl verglichen.";
    no_moment(field): "{field} is compared with a day and a time.", "{field} wird mit einem Tag und einer Uhrzeit verglichen.";
    value_too_long(field): "The value for {field} is too long.", "Der Wert für {field} ist zu lang.";
    value_unseen(field): "The value for {field} holds marks that nobody sees. Type it anew.", "Der Wert für {field} enthält Zeichen, die niemand sieht. Tipp ihn neu.";
    too_many_tests(most): "With those of the app there are more than {most} conditions. Choose “any value” for some.", "Mit denen der App sind es mehr als {most} Bedingungen. Wähle für einige „jeder Wert“.";
    in_utc(field): "{field} (UTC)", "{field}, in UTC";
    no_such_field: "That field cannot be compared.", "Dieses Feld lässt sich nicht vergleichen.";
    contradiction(kind): "No {kind} can meet all of these conditions, and those of the app.", "Kein {kind} kann alle diese Bedingungen und die der App erfüllen.";
    choose_how_long: "Choose how long the access lasts.", "Wähle, wie lange der Zugriff dauert.";
    no_day: "The last day is a date, such as 2027-03-31.", "Der letzte Tag ist ein Datum, etwa 2027-03-31.";
    day_over: "The last day is over already.", "Der letzte Tag ist schon vorbei.";
    day_beyond(date): "The app asks only until {date}: choose that day or an earlier one.", "Die App bittet nur bis zum {date}: Wähle diesen Tag oder einen früheren.";
    definitions_moved: "The definitions of your data have changed meanwhile. Look at it once more.", "Die Beschreibung deiner Daten hat sich inzwischen geändert. Sieh es dir noch einmal an.";
}

impl super::Words {
    /// What ticking a verb lets the app do.
    pub(crate) const fn does(self, verb: Verb) -> &'static str {
        match (self.0, verb) {
            (Language::English, Verb::Create) => "add new ones",
            (Language::English, Verb::Read) => "read them",
            (Language::English, Verb::Update) => "change them",
            (Language::English, Verb::Delete) => "delete them",
            (Language::English, Verb::Search) => "look for them: list, filter and count",
            (Language::English, Verb::History) => "see every version of them, also today's",
            (Language::German, Verb::Create) => "neue anlegen",
            (Language::German, Verb::Read) => "lesen",
            (Language::German, Verb::Update) => "ändern",
            (Language::German, Verb::Delete) => "löschen",
            (Language::German, Verb::Search) => "suchen: auflisten, filtern, zählen",
            (Language::German, Verb::History) => "jede Fassung sehen, auch die heutige",
        }
    }

    /// How a field is compared, as a choice.
    pub(crate) const fn compares(self, operator: Operator) -> &'static str {
        match (self.0, operator) {
            (Language::English, operator) => gateway_people::grants::operator_words(Language::English, operator),
            (Language::German, Operator::Eq) => "ist gleich",
            (Language::German, Operator::Neq) => "ist nicht gleich",
            (Language::German, Operator::In) => "ist eines von",
            (Language::German, Operator::Nin) => "ist keines von",
            (Language::German, Operator::Gt) => "ist mehr als",
            (Language::German, Operator::Geq) => "ist mindestens",
            (Language::German, Operator::Lt) => "ist weniger als",
            (Language::German, Operator::Leq) => "ist höchstens",
        }
    }

    /// Fields of a type that are not shown for want of room.
    pub(crate) fn further_fields(self, count: usize) -> String {
        match (self.0, count) {
            (Language::English, 1) => "One more field that it would see is not shown here.".to_owned(),
            (Language::English, count) => format!("{count} more fields that it would see are not shown here."),
            (Language::German, 1) => "Ein weiteres Feld, das sie sehen würde, ist hier nicht gezeigt.".to_owned(),
            (Language::German, count) => {
                format!("{count} weitere Felder, die sie sehen würde, sind hier nicht gezeigt.")
            }
        }
    }

    /// Types that are not shown for want of room.
    pub(crate) fn further_types(self, count: usize) -> String {
        match (self.0, count) {
            (Language::English, 1) => "One more type is not shown here.".to_owned(),
            (Language::English, count) => format!("{count} more types are not shown here."),
            (Language::German, 1) => "Eine weitere Art ist hier nicht gezeigt.".to_owned(),
            (Language::German, count) => format!("{count} weitere Arten sind hier nicht gezeigt."),
        }
    }
}
