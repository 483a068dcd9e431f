//! The texts of the pages on which a fresh node becomes one that there was before.

use gateway_people::language::Language;

words! {
    have_one_already: "You have a backup, or a node already? Then do not set this one up:", "Du hast eine Sicherung oder schon einen Server? Dann richte diesen nicht ein:";
    restore_a_backup: "Restore from a backup", "Aus einer Sicherung wiederherstellen";
    join_a_node: "Join a node as a device", "Einem Server als Gerät beitreten";
    set_up_anew: "Set up a new node", "Einen neuen Server einrichten";
    restore_help: "The node becomes the one of which the backup was taken: its people, their data with all history, and what was allowed. Nothing is changed before all of it is there.", "Der Server wird zu dem, von dem die Sicherung stammt: mit seinen Menschen, ihren Daten samt aller Geschichte und allem, was erlaubt war. Nichts wird geändert, bevor alles da ist.";
    place_of_backups: "Where the backups lie", "Wo die Sicherungen liegen";
    place_help: "A directory of the machine by its whole path, a bucket, or a place at another node: /mnt/backups/home, s3://backups/home, https://cloud.example.org/places/home", "Ein Verzeichnis des Rechners mit ganzem Pfad, ein Bucket oder ein Ort bei einem anderen Server: /mnt/backups/home, s3://backups/home, https://cloud.example.org/places/home";
    recovery_words: "The 24 recovery words", "Die 24 Wiederherstellungswörter";
    elsewhere_and_older: "Another node, a bucket, or an older backup", "Ein anderer Server, ein Bucket oder eine ältere Sicherung";
    place_secret: "Secret of the place at another node", "Geheimnis des Orts bei einem anderen Server";
    place_root: "Certificate of that node’s own authority, if it has one (PEM)", "Zertifikat der eigenen Stelle jenes Servers, falls er eine hat (PEM)";
    older_backup: "Which backup (else the newest)", "Welche Sicherung (sonst die neueste)";
    bucket_server: "Server of the bucket (else Amazon)", "Server des Buckets (sonst Amazon)";
    bucket_region: "Region", "Region des Buckets";
    bucket_key: "Access key ID", "Zugangsschlüssel-ID";
    bucket_secret: "Secret access key", "Geheimer Zugangsschlüssel";
    bucket_as_host: "The bucket stands in the name of the server", "Der Bucket steht im Namen des Servers";
    bucket_in_clear: "Take a server without TLS", "Einen Server ohne TLS nehmen";
    restore_now: "Restore", "Wiederherstellen";
    join_help: "The node becomes a device of the account that you have: it keeps a copy of everything, and both stay the same. On the node that you have, let it make a code: under Devices of its pages, or by allod device invite.", "Der Server wird zu einem Gerät des Kontos, das du hast: Er hält eine Kopie von allem, und beide bleiben gleich. Lass auf dem Server, den du hast, einen Code machen: auf seinen Seiten unter Geräte oder mit allod device invite.";
    device_code: "The code of the other device", "Der Code des anderen Geräts";
    join_now: "Join", "Beitreten";
    place_malformed: "Say where the backups lie: a directory by its whole path, s3://BUCKET/PREFIX, or https://HOST/places/NAME.", "Gib an, wo die Sicherungen liegen: ein Verzeichnis mit ganzem Pfad, s3://BUCKET/PREFIX oder https://HOST/places/NAME.";
    did_not_come_to_it(code): "It did not come to it; nothing was changed. Whoever runs the node finds it by this: {code}.", "Dazu kam es nicht; nichts wurde geändert. Wer den Server betreibt, findet es damit: {code}.";
    is_being_restored: "Restoring", "Es wird wiederhergestellt";
    looks_for_backup: "The place is opened, and the backup is looked for.", "Der Ort wird geöffnet und die Sicherung gesucht.";
    compares_it: "What came is compared with what the node showed.", "Was kam, wird mit dem verglichen, was der Server zeigte.";
    starts_as_that: "It is all there. The node answers nothing for some seconds, and goes on as that one.", "Alles ist da. Der Server antwortet einige Sekunden nicht und macht dann als jener weiter.";
    asks_by_itself: "This page asks again by itself. You can also close it: it goes on.", "Diese Seite fragt von selbst wieder. Du kannst sie auch schließen: Es geht weiter.";
    welcome_back: "Welcome back", "Willkommen zurück";
    is_restored(moment): "Your node is there again, as it was at {moment}. Sign in as ever.", "Dein Server ist wieder da, so wie er am {moment} war. Melde dich an wie immer.";
    sleeps: "What apps were allowed, links, and what is shared sleep until you have looked at them there.", "Was Apps erlaubt war, Links und Geteiltes schlafen, bis du sie dort angesehen hast.";
    is_joining: "Joining", "Es tritt bei";
    asks_other_device: "The other device is asked.", "Das andere Gerät wird gefragt.";
    is_joined: "It is a device of yours", "Es ist ein Gerät von dir";
    is_device: "This node is a device of your account now. Everything of yours comes to it by itself, and what you write comes back.", "Dieser Server ist jetzt ein Gerät deines Kontos. Alles, was dir gehört, kommt von selbst zu ihm, und was du schreibst, kommt zurück.";
    device_comes: "You sign in where your account is, and see this device there under Devices. On this machine the command line acts as you.", "Du meldest dich dort an, wo dein Konto ist, und siehst dieses Gerät dort unter Geräte. Auf diesem Rechner handelt die Kommandozeile als du.";
    problem_words: "These are not the 24 words: one is misspelt, missing or in another place.", "Das sind nicht die 24 Wörter: Eines ist falsch geschrieben, fehlt oder steht an anderer Stelle.";
    problem_locked: "These words do not open the backups of this place: they are those of another node.", "Diese Wörter öffnen die Sicherungen dieses Orts nicht: Sie gehören zu einem anderen Server.";
    problem_place: "There are no backups in this place.", "An diesem Ort liegen keine Sicherungen.";
    problem_unreachable: "The place cannot be reached at this moment. Look at its name and the network, and try again.", "Der Ort ist gerade nicht erreichbar. Prüfe seinen Namen und das Netz und versuch es noch einmal.";
    problem_refused: "The place refuses: look at the access key, or the secret.", "Der Ort lehnt ab: Prüfe den Zugangsschlüssel oder das Geheimnis.";
    problem_newer: "The backups were made by a newer version of Allod. Install that here, and try again.", "Die Sicherungen stammen von einer neueren Version von Allod. Installiere sie hier und versuch es noch einmal.";
    problem_no_backup: "There is no such backup in this place.", "Diese Sicherung gibt es an dem Ort nicht.";
    problem_damaged: "The backup is damaged. Take an older one.", "Die Sicherung ist beschädigt. Nimm eine ältere.";
    problem_relative: "A directory is named by its whole path, from the / on.", "Ein Verzeichnis wird mit seinem ganzen Pfad genannt, vom / an.";
    problem_inside: "The backups cannot lie in the directory of this node itself.", "Die Sicherungen können nicht im Verzeichnis dieses Servers selbst liegen.";
    problem_no_key: "A bucket needs an access key.", "Ein Bucket braucht einen Zugangsschlüssel.";
    problem_no_secret: "A place at another node needs its secret.", "Ein Ort bei einem anderen Server braucht sein Geheimnis.";
    problem_secret: "This is no secret of a place, or no certificate: take all of it, from its first letter to its last.", "Das ist kein Geheimnis eines Orts oder kein Zertifikat: Nimm es ganz, vom ersten Zeichen bis zum letzten.";
    problem_under_way: "The node is becoming another one already.", "Der Server wird schon zu einem anderen.";
    problem_code: "This is no code of a device. Take all of it, from its first letter to its last.", "Das ist kein Code eines Geräts. Nimm ihn ganz, vom ersten Zeichen bis zum letzten.";
    problem_code_expired: "The code is too old: it is good for ten minutes. Let the other device make a new one.", "Der Code ist zu alt: Er gilt zehn Minuten. Lass das andere Gerät einen neuen machen.";
    problem_code_refused: "The other device does not take this code: it works once. Let it make a new one.", "Das andere Gerät nimmt diesen Code nicht: Er gilt einmal. Lass es einen neuen machen.";
    problem_inviter: "The other device cannot be reached. It must run, and lie in the same network or at a public address.", "Das andere Gerät ist nicht erreichbar. Es muss laufen und im selben Netz oder an einer öffentlichen Adresse liegen.";
    problem_unfinished: "The account has taken this device, which could not keep it: its disk may be full. Mend that, then send the same code again.", "Das Konto hat dieses Gerät aufgenommen, doch es konnte nicht gespeichert werden: Vielleicht ist der Datenträger voll. Behebe das und schick denselben Code noch einmal.";
    problem_unanswered: "The other device has not answered, and may have taken this one. Send the same code again.", "Das andere Gerät hat nicht geantwortet und dieses vielleicht schon aufgenommen. Schick denselben Code noch einmal.";
}

impl super::Words {
    /// So many files of so many came.
    pub(crate) fn fetches(self, done: u64, files: u64) -> String {
        match (self.0, files) {
            (Language::English, 1) => format!("{done} of one file is here."),
            (Language::English, _) => format!("{done} of {files} files are here."),
            (Language::German, 1) => format!("{done} von einer Datei ist da."),
            (Language::German, _) => format!("{done} von {files} Dateien sind da."),
        }
    }

    /// What is said of a problem that people can do something about.
    pub(crate) fn setup_problem(self, code: &str) -> Option<&'static str> {
        Some(match code {
            "recovery_words_wrong" => self.problem_words(),
            "backup_place_locked" => self.problem_locked(),
            "backup_place_missing" | "backup_place_foreign" => self.problem_place(),
            "backup_place_unreachable" => self.problem_unreachable(),
            "backup_place_refused" => self.problem_refused(),
            "backup_place_newer_version" => self.problem_newer(),
            "backup_not_found" | "backup_ambiguous" => self.problem_no_backup(),
            "backup_damaged" | "backup_incomplete" | "backup_differs" => self.problem_damaged(),
            "backup_place_relative" => self.problem_relative(),
            "backup_place_inside" => self.problem_inside(),
            "backup_s3_unset" => self.problem_no_key(),
            "backup_place_secret_unset" => self.problem_no_secret(),
            "backup_place_secret_wrong" => self.problem_secret(),
            "restore_under_way" => self.problem_under_way(),
            "code_malformed" => self.problem_code(),
            "code_expired" => self.problem_code_expired(),
            "code_refused" => self.problem_code_refused(),
            "inviter_unreachable" => self.problem_inviter(),
            "pairing_unanswered" => self.problem_unanswered(),
            "join_unfinished" => self.problem_unfinished(),
            _ => return None,
        })
    }
}
