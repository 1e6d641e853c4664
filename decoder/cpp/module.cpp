// The Python module `dataverse_decoder._native`. It keeps to the stable ABI of Python 3.10, so one
// build serves every later Python.
#include <Python.h>

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "export.hpp"
#include "gunzip.hpp"
#include "page.hpp"
#include "plan.hpp"

namespace {

using decoder::Page;
using decoder::Plan;

constexpr char PLAN[] = "dataverse_decoder.plan";
constexpr char ARRAY[] = "arrow_array";    // the names of these two are fixed by Arrow's
constexpr char SCHEMA[] = "arrow_schema";  // PyCapsule interface

struct Forget {
    void operator()(PyObject* object) const { Py_DecRef(object); }
};
using Object = std::unique_ptr<PyObject, Forget>;

void delete_plan(PyObject* capsule) {
    delete static_cast<Plan*>(PyCapsule_GetPointer(capsule, PLAN));
}

// A consumer that has taken the structure over has set its release to null.
template <typename Exported>
void delete_exported(PyObject* capsule) {
    auto* exported =
        static_cast<Exported*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
    if (exported->release != nullptr) exported->release(exported);
    delete exported;
}

// The text of a Python string; nullopt, with an error set, where it has no UTF-8.
std::optional<std::string> to_utf8(PyObject* text) {
    Py_ssize_t size = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == nullptr) return std::nullopt;
    return std::string(bytes, static_cast<std::size_t>(size));
}

PyObject* from_link(const std::optional<std::string>& link) {
    if (!link) return Py_NewRef(Py_None);
    return PyUnicode_FromStringAndSize(link->data(), static_cast<Py_ssize_t>(link->size()));
}

bool add_field(Plan& plan, PyObject* item) {
    PyObject* name = nullptr;
    PyObject* format = nullptr;
    if (!PyArg_ParseTuple(item, "UU", &name, &format)) return false;
    const auto name_text = to_utf8(name);
    const auto format_text = to_utf8(format);
    if (!name_text || !format_text) return false;
    try {
        plan.push_back(decoder::make_field(*name_text, *format_text));
    } catch (const std::invalid_argument&) {
        PyErr_Format(PyExc_ValueError, "The decoder has no type %R", format);
        return false;
    }
    return true;
}

PyObject* make_plan(PyObject*, PyObject* fields) {
    if (!PyList_Check(fields)) {
        PyErr_SetString(PyExc_TypeError, "fields must be a list");
        return nullptr;
    }
    try {
        auto plan = std::make_unique<Plan>();
        for (Py_ssize_t index = 0; index < PyList_Size(fields); ++index) {
            PyObject* const item = PyList_GetItem(fields, index);
            if (!PyTuple_Check(item)) {
                PyErr_SetString(PyExc_TypeError, "a field must be a tuple");
                return nullptr;
            }
            if (!add_field(*plan, item)) return nullptr;
        }
        PyObject* const capsule = PyCapsule_New(plan.get(), PLAN, &delete_plan);
        if (capsule != nullptr) plan.release();
        return capsule;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

// Runs `work` without the interpreter lock; it must touch nothing of Python's.
//
// Returns:
//   why the page is refused, null when it is not.
template <typename Work>
const char* refusal_of(const Work& work) {
    const char* refused = nullptr;
    Py_BEGIN_ALLOW_THREADS;
    try {
        work();
    } catch (const decoder::Refused& refusal) {
        refused = refusal.why;
    } catch (const std::exception&) {  // no memory: whatever else decodes it may need less
        refused = "no memory";
    }
    Py_END_ALLOW_THREADS;
    return refused;
}

template <typename Exported>
Object to_capsule(std::unique_ptr<Exported> exported, const char* name) {
    Object capsule(PyCapsule_New(exported.get(), name, &delete_exported<Exported>));
    if (capsule) {
        exported.release();
    } else {
        exported->release(exported.get());
    }
    return capsule;
}

PyObject* to_result(const Plan& plan, Page&& page) {
    auto exported_schema = std::make_unique<ArrowSchema>();
    decoder::export_schema(plan, exported_schema.get());
    const Object schema = to_capsule(std::move(exported_schema), SCHEMA);
    if (!schema) return nullptr;
    auto exported_rows = std::make_unique<ArrowArray>();
    decoder::export_rows(std::move(page.rows), exported_rows.get());
    const Object array = to_capsule(std::move(exported_rows), ARRAY);
    if (!array) return nullptr;
    const Object next_link(from_link(page.next_link));
    if (!next_link) return nullptr;
    const Object delta_link(from_link(page.delta_link));
    if (!delta_link) return nullptr;
    return PyTuple_Pack(4, schema.get(), array.get(), next_link.get(), delta_link.get());
}

PyObject* decode(PyObject*, PyObject* arguments) {
    PyObject* capsule = nullptr;
    PyObject* body = nullptr;
    if (!PyArg_ParseTuple(arguments, "OS", &capsule, &body)) return nullptr;
    const auto* const plan = static_cast<const Plan*>(PyCapsule_GetPointer(capsule, PLAN));
    if (plan == nullptr) return nullptr;
    char* data = nullptr;
    Py_ssize_t size = 0;
    // Python keeps a NUL behind the bytes of every bytes object (documented).
    if (PyBytes_AsStringAndSize(body, &data, &size) != 0) return nullptr;

    std::optional<Page> page;
    const char* const refused = refusal_of(
        [&] { page.emplace(decoder::read_page(*plan, data, static_cast<std::size_t>(size))); });
    if (refused != nullptr) return PyUnicode_FromString(refused);
    try {
        return to_result(*plan, std::move(*page));
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

PyObject* gunzip(PyObject*, PyObject* argument) {
    char* data = nullptr;
    Py_ssize_t length = 0;
    if (PyBytes_AsStringAndSize(argument, &data, &length) != 0) return nullptr;
    const auto size = static_cast<std::size_t>(length);
    std::size_t made = 0;
    try {
        made = decoder::gunzipped_size(data, size);
    } catch (const decoder::Refused& refusal) {
        return PyUnicode_FromString(refusal.why);
    }
    // Decompressed into the object itself: nobody else knows it yet.
    Object whole(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(made)));
    if (!whole) return nullptr;
    char* const out = PyBytes_AsString(whole.get());
    const char* const refused = refusal_of([&] { decoder::gunzip(data, size, out, made); });
    if (refused != nullptr) return PyUnicode_FromString(refused);
    return whole.release();
}

PyMethodDef methods[] = {
    {"make_plan", &make_plan, METH_O, "A plan from a list of (name, Arrow format)."},
    {"decode", &decode, METH_VARARGS,
     "(schema, array, next link, delta link) of a page, or why it is refused."},
    {"gunzip", &gunzip, METH_O, "What was compressed, or why it is refused."},
    {nullptr, nullptr, 0, nullptr},
};

int execute(PyObject* module) {
    return PyModule_AddStringConstant(module, "GUNZIP", decoder::gunzip_library());
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(&execute)},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, slots, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModuleDef_Init(&definition); }
