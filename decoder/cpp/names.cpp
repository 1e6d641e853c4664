#include "names.hpp"

#include "text.hpp"
#include "vector.hpp"

namespace decoder {
namespace {

constexpr std::size_t MAX_LEARNED = 1000;  // names without a column that are kept

}  // namespace

Names::Names(const Plan& plan) {
    for (std::size_t column = 0; column < plan.size(); ++column) add(plan[column].name, column);
}

Name& Names::read(Cursor& cursor, Name& previous) {
    for (Name* const likely : previous.likely) {
        if (likely == nullptr) break;
        if (begins_with(cursor.at, cursor.end, likely->text.data(), likely->length)) {
            cursor.at += likely->length;
            return *likely;
        }
    }
    Name& found = find(cursor);
    if (&found != &other_) previous.likely[previous.likely[0] == nullptr ? 0 : 1] = &found;
    return found;
}

Name& Names::add(std::string_view name, std::size_t column) {
    Name& added = names_.emplace_back();
    added.text = '"' + std::string(name) + "\":";
    added.length = added.text.size();
    added.text.resize((added.length + VECTOR - 1) / VECTOR * VECTOR);
    added.column = column;
    by_name_.emplace(name, &added);
    return added;
}

Name& Names::find(Cursor& cursor) {
    cursor.skip_space();
    const char* const begin = cursor.at + 1;
    skip_text(cursor);
    const std::string name(begin, cursor.at - 1);
    if (name.find('\\') != std::string::npos) throw Refused{"a name with an escape"};
    cursor.expect(':', "a member without a colon");
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) return *known->second;
    if (learned_ == MAX_LEARNED) return other_;
    ++learned_;
    return add(name, NO_COLUMN);
}

}  // namespace decoder
