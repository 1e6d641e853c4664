#include "names.hpp"

#include <limits>

#include "text.hpp"

namespace decoder {
namespace {

constexpr std::size_t MAX_LEARNED = 1000;  // names without a column that are kept

}  // namespace

Names::Names(const Plan& plan) : names_(OTHER + 1) {
    // Longer than any text, so that no text begins with NOTHING, START or OTHER.
    texts_.resize(BLOCK);
    for (Name& name : names_) name.length = std::numeric_limits<std::uint32_t>::max();
    for (std::size_t column = 0; column < plan.size(); ++column) add(plan[column].name, column);
}

NameId Names::add(std::string_view name, std::size_t column) {
    const auto id = static_cast<NameId>(names_.size());
    Name& added = names_.emplace_back();
    added.column = column;
    added.text = static_cast<std::uint32_t>(texts_.size());
    texts_ += '"';
    texts_ += name;
    texts_ += "\":";
    added.length = static_cast<std::uint32_t>(texts_.size()) - added.text;
    texts_.resize((texts_.size() + BLOCK - 1) / BLOCK * BLOCK);
    by_name_.emplace(name, id);
    return id;
}

NameId Names::find(Cursor& cursor, NameId previous) {
    cursor.skip_space();
    const char* const begin = cursor.at + 1;
    skip_text(cursor);
    const std::string_view name(begin, static_cast<std::size_t>(cursor.at - 1 - begin));
    if (name.find('\\') != std::string_view::npos) throw Refused{"a name with an escape"};
    cursor.expect(':', "a member without a colon");
    const NameId found = find_or_learn(name);
    NameId(&likely)[2] = names_[previous].likely;
    likely[likely[0] == NOTHING ? 0 : 1] = found;
    return found;
}

NameId Names::find_or_learn(std::string_view name) {
    const auto known = by_name_.find(std::string(name));
    if (known != by_name_.end()) return known->second;
    if (learned_ == MAX_LEARNED || name.size() > MAX_LEARNED) return OTHER;
    ++learned_;
    return add(name, NO_COLUMN);
}

}  // namespace decoder
