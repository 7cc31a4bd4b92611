//! The system's file dialogs. A dialog has a thread of its own: the window goes on drawing.

use std::path::PathBuf;

use crate::task::Task;

/// Kinds of files by their endings.
pub(crate) type Filter = (&'static str, &'static [&'static str]);

pub(crate) const PICTURES: Filter =
    ("Pictures", &["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"]);
pub(crate) const BENCHMARKS: Filter = ("Benchmarks", &["parquet", "jsonl", "json"]);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    File,
    Folder,
    /// A file to be written, with a name to begin with.
    Save(String),
}

/// A question to the person.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) title: &'static str,
    pub(crate) want: Want,
    pub(crate) filters: &'static [Filter],
}

impl Question {
    pub(crate) const fn folder(title: &'static str) -> Self {
        Self { title, want: Want::Folder, filters: &[] }
    }

    pub(crate) const fn file(title: &'static str, filters: &'static [Filter]) -> Self {
        Self { title, want: Want::File, filters }
    }

    /// Waits for the answer: for threads beside the window's alone.
    pub(crate) fn wait(self) -> Option<PathBuf> {
        let mut dialog = rfd::FileDialog::new().set_title(self.title);
        for (name, endings) in self.filters {
            dialog = dialog.add_filter(*name, endings);
        }
        match self.want {
            Want::File => dialog.pick_file(),
            Want::Folder => dialog.pick_folder(),
            Want::Save(name) => dialog.set_file_name(name).save_file(),
        }
    }
}

/// Whether the desktop can be asked for a file: on Linux a dialog comes over the session bus.
pub(crate) fn is_there() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let bus = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("bus"));
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() || bus.is_some_and(|bus| bus.exists())
}

/// A dialog that is open.
#[derive(Debug)]
pub(crate) struct Dialog(Task<Option<PathBuf>>);

impl Dialog {
    /// Opens a dialog; its answer wakes the window.
    ///
    /// # Errors
    /// A sentence, where there is none to open.
    pub(crate) fn open(ctx: &egui::Context, question: Question) -> Result<Self, String> {
        if !is_there() {
            return Err("This desktop has no dialog for files. Type the path into the field, or drop the file or folder on the \
                        window"
                .to_owned());
        }
        Task::start(ctx, "plumb-dialog", move || question.wait()).map(Self)
    }

    /// The answer, once: `Some(None)` where nothing was chosen.
    pub(crate) fn poll(&self) -> Option<Option<PathBuf>> {
        self.0.poll().map(|answer| answer.ok().flatten())
    }
}
